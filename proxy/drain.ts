import { OWN_ANNOTATION } from "../config/mod.ts";
import type { V1Service } from "../kube/mod.ts";

/** For how long UDP flows of a Service may go on to an endpoint that was removed. */
export interface Drain {
  /** Milliseconds; 0: they end with the endpoint, as with kube-proxy. */
  readonly time: number;
  /** What of the annotation could not be understood, a sentence each; it counts as not written. */
  readonly problems: readonly string[];
}

/** Seconds. Somebody else may have the address of a pod that is long gone. */
const LONGEST = 3600;

export function drainOf({ metadata }: V1Service): Drain {
  const wish = metadata?.annotations?.[OWN_ANNOTATION.endpointDrain] ?? "0";
  if (/^\d{1,4}$/.test(wish) && Number(wish) <= LONGEST) return { time: Number(wish) * 1000, problems: [] };
  return { time: 0, problems: [`${OWN_ANNOTATION.endpointDrain} is "${wish}", want seconds, 0 to ${LONGEST}`] };
}

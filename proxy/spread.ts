import { OWN_ANNOTATION } from "../config/mod.ts";
import type { V1Service } from "../kube/mod.ts";
import { canonicalAddress, familyOf } from "./canonical.ts";
import { BALANCINGS, type Balancing } from "./service-port.ts";

/** How the annotations of a Service want its connections spread. */
export interface Spread {
  readonly balancing: Balancing;
  /** Shares by canonical address or by name of a node. */
  readonly weights: ReadonlyMap<string, number>;
  /** What of the annotations could not be understood, each a sentence; it counts as not written. */
  readonly problems: readonly string[];
}

/** Every share is a slot of its own in the kernel. */
const MOST_SHARES = 100;

export function spreadOf({ metadata }: V1Service): Spread {
  const { [OWN_ANNOTATION.loadBalancing]: wish, [OWN_ANNOTATION.endpointWeights]: shares } =
    metadata?.annotations ?? {};
  const problems: string[] = [];
  const balancing = BALANCINGS.find((each) => each === wish);
  if (wish !== undefined && balancing === undefined) {
    problems.push(`${OWN_ANNOTATION.loadBalancing} is "${wish}", want one of ${BALANCINGS.join(", ")}`);
  }
  const weights = new Map<string, number>();
  for (const item of (shares ?? "").split(",").map((text) => text.trim())) {
    if (item === "") continue;
    const [, who = "", number = ""] = /^(\S+?)\s*=\s*(\d{1,3})$/.exec(item) ?? [];
    if (who === "" || Number(number) > MOST_SHARES) {
      problems.push(
        `${OWN_ANNOTATION.endpointWeights} has "${item}", want address=shares or node=shares, 0 to ${MOST_SHARES}`,
      );
    } else weights.set(canonicalAddress(who, familyOf(who)) ?? who, Number(number));
  }
  return { balancing: balancing ?? "random", weights, problems };
}

/** The share of one endpoint: by its address, else by its node, else 1. */
export function weightOf({ weights }: Spread, address: string, nodeName: string): number {
  return weights.get(address) ?? weights.get(nodeName) ?? 1;
}

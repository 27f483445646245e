import type { ConditionNews } from "../config/mod.ts";
import { printAddresses } from "./allocator.ts";
import type { Decision } from "./decide.ts";
import type { Asked } from "./requests.ts";

/** Says on a Service whether it has the external addresses that it asks for, and why not. */
export const ADDRESS_ASSIGNED = "ironbridge.io/AddressAssigned";

/** Undefined for a Service that asks for no address: it has no such condition. */
export function addressCondition(
  asked: Asked,
  { status, complaint }: Pick<Decision, "status" | "complaint">,
  generation: number | undefined,
): ConditionNews | undefined {
  if (typeof asked === "string" || status === undefined) return undefined;
  const has = status.addresses.length > 0;
  return {
    type: ADDRESS_ASSIGNED,
    status: has ? "True" : "False",
    reason: complaint === undefined ? "IPAllocated" : wordOf(complaint.reason),
    message: complaint?.message ?? `${printAddresses(status.addresses)} of pool "${status.pool}"`,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}

/** MetalLB's reason of an event as a reason of a condition, which may hold no spaces and begins with a capital here. */
function wordOf(reason: string): string {
  return reason
    .split(" ")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
}

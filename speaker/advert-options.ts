import { compareText, type L2Advertisement } from "../config/mod.ts";
import type { ElectionRule } from "./claim.ts";

/** What an L2Advertisement asks for beyond MetalLB's fields, in annotations. */
export interface AdvertOptions {
  /** `ironbridge.io/election` */
  readonly election: ElectionRule;
  /** `ironbridge.io/drain-on-cordon`: a node that takes no new pods gives its addresses away. */
  readonly drainOnCordon: boolean;
}

export const DEFAULT_OPTIONS: AdvertOptions = { election: "sticky", drainOnCordon: false };

const ELECTION = "ironbridge.io/election";
const DRAIN_ON_CORDON = "ironbridge.io/drain-on-cordon";
const RULES: readonly ElectionRule[] = ["sticky", "revertive", "spread"];

/** The options of `advertisement`, and a sentence for each annotation whose value means nothing and is not heeded. */
export function advertOptionsOf({ metadata = {} }: L2Advertisement): {
  readonly options: AdvertOptions;
  readonly problems: readonly string[];
} {
  const { annotations = {}, name = "", namespace = "" } = metadata;
  const problems: string[] = [];
  const read = <T>(key: string, values: ReadonlyMap<string, T>, fallback: T): T => {
    const text = annotations[key];
    if (text === undefined) return fallback;
    const value = values.get(text);
    if (value !== undefined) return value;
    const known = [...values.keys()].sort(compareText).join(", ");
    problems.push(`L2Advertisement ${namespace}/${name}: annotation ${key} is "${text}"; write one of ${known}.`);
    return fallback;
  };
  const election = read(ELECTION, new Map(RULES.map((rule) => [rule, rule])), DEFAULT_OPTIONS.election);
  const booleans = new Map([
    ["true", true],
    ["false", false],
  ]);
  const drainOnCordon = read(DRAIN_ON_CORDON, booleans, DEFAULT_OPTIONS.drainOnCordon);
  return { options: { election, drainOnCordon }, problems };
}

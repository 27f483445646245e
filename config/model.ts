import type { Range } from "../net/mod.ts";
import type { LabelSelector, Labels } from "./selector.ts";

/** A pool as the programs use it: checked, defaults filled in. Its ranges overlap no other pool's. */
export interface Pool {
  readonly name: string;
  readonly namespace: string;
  /** In the order of the spec. */
  readonly ranges: readonly Range[];
  /** False: only by pool annotation or explicit address. */
  readonly autoAssign: boolean;
  /** True: IPv4 addresses ending in .0 or .255 are not part of the pool. */
  readonly avoidBuggyIps: boolean;
  readonly labels: Labels;
  /** Present: only for some Services, which try it before the pools without. */
  readonly serviceAllocation?: ServiceAllocation;
}

export interface ServiceAllocation {
  /** Lower is tried first; 0 last of all. */
  readonly priority: number;
  /** Both empty: every namespace. */
  readonly namespaces: readonly string[];
  readonly namespaceSelectors: readonly LabelSelector[];
  /** Empty: every Service. */
  readonly serviceSelectors: readonly LabelSelector[];
}

export interface L2Advert {
  readonly name: string;
  readonly namespace: string;
  /** Both `pools` and `poolSelectors` empty: all pools. */
  readonly pools: readonly string[];
  readonly poolSelectors: readonly LabelSelector[];
  /** Empty: all nodes. */
  readonly nodeSelectors: readonly LabelSelector[];
  /** Empty: all Services. */
  readonly serviceSelectors: readonly LabelSelector[];
  /** Empty: all interfaces of the host. */
  readonly interfaces: readonly string[];
  readonly preferredNodeSelectors: readonly PreferredNodes[];
}

export interface PreferredNodes {
  /** 1 to 100. */
  readonly weight: number;
  readonly preference: LabelSelector;
}

/** One mistake in one object, which is left out of the configuration because of it. */
export interface Problem {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** For example `spec.addresses[0]`. */
  readonly field: string;
  /** What the field holds, as JSON; "not set" when nothing. */
  readonly value: string;
  /** A full sentence: object, field, value, why, remedy. */
  readonly message: string;
}

export interface Config {
  /** By name. */
  readonly pools: readonly Pool[];
  /** By name. */
  readonly l2Advertisements: readonly L2Advert[];
  readonly problems: readonly Problem[];
}

import type { Address, Range } from "../net/mod.ts";
import type { CommunityValue } from "./community-value.ts";
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
  /** Addresses of the ranges that are not part of the pool: its `excludes`, and reserved first and last ones. */
  readonly holes: readonly Range[];
  readonly labels: Labels;
  /** Present: only for some Services, which try it before the pools without. */
  readonly serviceAllocation?: ServiceAllocation;
}

interface ServiceAllocation {
  /** Lower is tried first; 0 last of all. */
  readonly priority: number;
  /** Both empty: every namespace. */
  readonly namespaces: readonly string[];
  readonly namespaceSelectors: readonly LabelSelector[];
  /** Empty: every Service. */
  readonly serviceSelectors: readonly LabelSelector[];
}

/** What an advertisement of either kind announces, and from where. */
export interface Advert {
  readonly name: string;
  readonly namespace: string;
  /** Both `pools` and `poolSelectors` empty: all pools. */
  readonly pools: readonly string[];
  readonly poolSelectors: readonly LabelSelector[];
  /** Empty: all nodes. */
  readonly nodeSelectors: readonly LabelSelector[];
  /** Empty: all Services. */
  readonly serviceSelectors: readonly LabelSelector[];
}

export interface L2Advert extends Advert {
  /** Names and /patterns/, see namesInterface(). Empty: all interfaces of the host. */
  readonly interfaces: readonly string[];
  readonly preferredNodeSelectors: readonly PreferredNodes[];
}

interface PreferredNodes {
  /** 1 to 100. */
  readonly weight: number;
  readonly preference: LabelSelector;
}

export interface BgpAdvert extends Advert {
  /** Names of peers; empty: all of them. */
  readonly peers: readonly string[];
  /** Bits of the prefixes announced. */
  readonly aggregationLength: { readonly ipv4: number; readonly ipv6: number };
  /** 0: not set by this advertisement. */
  readonly localPref: number;
  /** Aliases looked up. */
  readonly communities: readonly CommunityValue[];
}

export interface BgpPeer {
  readonly name: string;
  readonly namespace: string;
  /** 1 to 4294967295, as are the other numbers of autonomous systems. */
  readonly myAsn: number;
  /** "internal" and "external": any number equal to, or other than, `myAsn`. */
  readonly peerAsn: number | "internal" | "external";
  /** Shown to the peer in place of `myAsn`. */
  readonly localAsn?: number;
  /** The peer: its address, or the interface whose only neighbour it is. */
  readonly target:
    | { readonly kind: "address"; readonly address: Address }
    | { readonly kind: "interface"; readonly name: string };
  readonly port: number;
  readonly sourceAddress?: Address;
  /** Seconds, 0 or at least 3; undefined: the speaker's default. */
  readonly holdTimeSeconds?: number;
  readonly keepaliveSeconds?: number;
  readonly connectSeconds?: number;
  readonly routerId?: Address;
  /** Empty: all nodes. */
  readonly nodeSelectors: readonly LabelSelector[];
  readonly password?: string;
  /** Of type kubernetes.io/basic-auth; no namespace: that of the object. */
  readonly passwordSecret?: { readonly name: string; readonly namespace: string };
  readonly bfdProfile?: string;
  readonly gracefulRestart: boolean;
  readonly multiHop: boolean;
  /** "" is the host's main one. */
  readonly vrf: string;
  /** Both address families over one session. */
  readonly dualStack: boolean;
}

/** Times in milliseconds, defaults filled in. */
export interface BfdSettings {
  readonly name: string;
  readonly namespace: string;
  readonly receiveInterval: number;
  readonly transmitInterval: number;
  readonly detectMultiplier: number;
  readonly echoInterval: number;
  readonly passiveMode: boolean;
  readonly minimumTtl: number;
}

/** Something to say of one field of one object. */
export interface Remark {
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

/** One mistake in one object, which is left out of the configuration because of it. */
export interface Problem extends Remark {
  /** True: the object is right by itself, and will be used once the object that it names is there. */
  readonly waits?: true;
}

export interface Config {
  /** By name, as are the lists below. */
  readonly pools: readonly Pool[];
  readonly l2Advertisements: readonly L2Advert[];
  readonly bgpAdvertisements: readonly BgpAdvert[];
  readonly bgpPeers: readonly BgpPeer[];
  readonly bfdProfiles: readonly BfdSettings[];
  readonly problems: readonly Problem[];
  /** Of objects that are in force, but not with all that they ask for. */
  readonly remarks: readonly Remark[];
}

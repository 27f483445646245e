import type { Claim, ElectionRule } from "../claim.ts";
import type { LogLine } from "../log-line.ts";
import type { Reach } from "../member-link.ts";
import type { Counts, Foreigner } from "./responder.ts";

/** An address this node may announce: what the cluster says about it and this node. */
export interface Announcement {
  /** Canonical text. */
  readonly address: string;
  /** The address ranked by: the first of the Service, so that all its addresses go to one node. */
  readonly rankAddress: string;
  /** This node's preference, and FITNESS as far as the cluster knows it. */
  readonly score: number;
  /** Names and /patterns/. */
  readonly interfaces: "all" | readonly string[];
  readonly rule: ElectionRule;
}

/** Another node, and where its agent listens. */
export interface PeerAddress {
  readonly name: string;
  readonly address: string;
}

/** What the worker thread is started with. */
export interface WorkerOptions {
  readonly node: string;
  readonly port: number;
  /** Shared by all members; several, one on each line, while it is being replaced. */
  readonly key: Uint8Array;
  /** See excludedPatterns(). */
  readonly excludedInterfaces: readonly string[] | undefined;
}

/** From the main thread to the worker: the whole of it each time. */
export interface Assignment {
  readonly peers: readonly PeerAddress[];
  /** Only what this node is ready for: in the kernel, with an endpoint it can reach. */
  readonly announcements: readonly Announcement[];
  /** False right after the start, while the cluster or the rules are not known as a whole. */
  readonly settled: boolean;
}

/**
 * How a node's speaker ends: it hands everything over since the node is to be empty, or it pauses for a restart, and the
 * others answer in its name.
 */
export type Leaving = "handOver" | "pause";

export type ToWorker =
  | { readonly kind: "assign"; readonly assignment: Assignment }
  | { readonly kind: "key"; readonly key: Uint8Array }
  | { readonly kind: "leave"; readonly how: Leaving };

/** What this node does about an address, and on which interfaces it could. */
export interface OwnState extends Claim {
  readonly interfaces: readonly string[];
}

/** Why a node took an address: nobody had it, another handed it over, its holder was lost, or it was taken from it. */
export type TakeReason = "free" | "handedOver" | "holderLost" | "taken";

/** Something that happened, for metrics and events. */
export type Happening =
  | { readonly kind: "took"; readonly address: string; readonly reason: TakeReason }
  /** @param silence Milliseconds from its last word until it was given up. */
  | { readonly kind: "memberLost"; readonly member: string; readonly silence: number }
  | { readonly kind: "foreigner"; readonly foreigner: Foreigner }
  | { readonly kind: "strangeDatagram"; readonly from: string };

/** How the election stands, as this node sees it. */
export interface Status {
  /** True once this node has heard who holds what. */
  readonly listening: boolean;
  /** Every address anybody claims: who announces it, and our own stance. */
  readonly addresses: Readonly<Record<string, { readonly holder?: string; readonly own?: OwnState }>>;
  readonly members: Readonly<Record<string, Reach>>;
  /** By address, the member whose kernel knows the connections that are open to it. */
  readonly keepers: Readonly<Record<string, string>>;
  /** Names of the interfaces that face clients. */
  readonly interfaces: readonly string[];
}

/** Before anything was heard. */
export const NOTHING_KNOWN: Status = { listening: true, addresses: {}, members: {}, keepers: {}, interfaces: [] };

export type FromWorker =
  | { readonly kind: "status"; readonly status: Status }
  | { readonly kind: "happening"; readonly happening: Happening }
  | { readonly kind: "counts"; readonly counts: ReadonlyMap<string, Counts> }
  | LogLine;

import type { Claim } from "../claim.ts";
import type { Reach } from "../member-table.ts";
import type { Counts } from "./responder.ts";

/** An address this node may announce: what the cluster says about it and this node. */
export interface Announcement {
  /** Canonical text. */
  readonly address: string;
  /** The address ranked by: the first of the Service, so that all its addresses go to one node. */
  readonly rankAddress: string;
  /** This node's preference, 0 to MAX_SCORE. */
  readonly score: number;
  readonly interfaces: "all" | readonly string[];
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
  readonly key: Uint8Array;
}

/** From the main thread to the worker: the whole of it each time. */
export interface Assignment {
  readonly peers: readonly PeerAddress[];
  /** Only what this node is ready for: in the kernel, with an endpoint it can reach. */
  readonly announcements: readonly Announcement[];
  /** False right after the start, while the cluster or the rules are not known as a whole. */
  readonly settled: boolean;
}

export type ToWorker = { readonly kind: "assign"; readonly assignment: Assignment } | { readonly kind: "leave" };

/** How the election stands, as this node sees it. */
export interface Status {
  /** True once this node has heard who holds what. */
  readonly listening: boolean;
  /** Every address anybody claims: who announces it, and our own stance. */
  readonly addresses: Readonly<Record<string, { readonly holder?: string; readonly own?: Claim }>>;
  readonly members: Readonly<Record<string, Reach>>;
  /** Names of the interfaces that face clients. */
  readonly interfaces: readonly string[];
}

export type FromWorker =
  | { readonly kind: "status"; readonly status: Status }
  | { readonly kind: "counts"; readonly counts: ReadonlyMap<string, Counts> }
  | {
      readonly kind: "log";
      readonly level: "debug" | "info" | "warn";
      readonly event: string;
      readonly fields: object;
      readonly message: string;
    };

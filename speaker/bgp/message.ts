import type { Address, Family, Prefix } from "../../net/mod.ts";
import type { BfdStatus, BfdTimes } from "../bfd/session.ts";
import type { LogLine } from "../log-line.ts";
import type { OpenSettings } from "./agreement.ts";
import type { FsmSettings, Phase } from "./fsm.ts";
import type { LearnPolicy, Way } from "./rib-in.ts";
import type { OfferedRoute } from "./route.ts";

// What crosses between the main thread and the one that keeps time. Plain data.

/** One session, as this node is to hold it. */
export interface PeerSettings extends OpenSettings, FsmSettings {
  /** Name of the BGPPeer. */
  readonly name: string;
  readonly target:
    | { readonly kind: "address"; readonly address: Address }
    | { readonly kind: "interface"; readonly name: string };
  readonly port: number;
  readonly sourceAddress?: Address;
  /** "" is the main one. */
  readonly vrf: string;
  /** Key of TCP-MD5. */
  readonly password?: string;
  /** False: the peer is on a network of this node, so what comes from further away is not of it. */
  readonly multiHop: boolean;
  /** What comes with a smaller TTL is dropped: RFC 5082. */
  readonly minimumTtl?: number;
  readonly bfd?: BfdTimes & {
    /** The least TTL of packets of a peer several hops away. */
    readonly minimumTtl: number;
  };
}

/** What was sent and received with one peer, since the start. */
export interface Counts {
  opensSent: number;
  opensReceived: number;
  notificationsSent: number;
  notificationsReceived: number;
  updatesSent: number;
  updatesReceived: number;
  keepalivesSent: number;
  keepalivesReceived: number;
  refreshesSent: number;
  refreshesReceived: number;
  sent: number;
  received: number;
}

export function noCounts(): Counts {
  return {
    opensSent: 0,
    opensReceived: 0,
    notificationsSent: 0,
    notificationsReceived: 0,
    updatesSent: 0,
    updatesReceived: 0,
    keepalivesSent: 0,
    keepalivesReceived: 0,
    refreshesSent: 0,
    refreshesReceived: 0,
    sent: 0,
    received: 0,
  };
}

/** How a session stands. */
export interface PeerStatus {
  readonly name: string;
  readonly phase: Phase;
  /** The peer's address, and its port: "192.0.2.1:179". "" while it is not known. */
  readonly remote: string;
  /** Why it is not established; absent when it is. */
  readonly why?: string;
  readonly peerAsn?: number;
  readonly peerRouterId?: string;
  readonly families: readonly Family[];
  /** Seconds. */
  readonly holdTime?: number;
  readonly localAddress?: string;
  /** Number of routes the peer was told, and of those it has yet to be. */
  readonly announced: number;
  readonly pending: number;
  /** Routes it is not told, since no message of this many octets has room for them: some of them. */
  readonly tooLong?: { readonly octets: number; readonly routes: readonly string[] };
  /** The peer tells more routes than this, and no more are taken. */
  readonly tooMany?: number;
  /** How often the session was lost. */
  readonly losses: number;
  readonly bfd?: BfdStatus;
  readonly counts: Counts;
}

export interface Assignment {
  readonly peers: readonly PeerSettings[];
  /** TCP port on which peers may connect; absent: this node makes all connections. */
  readonly listenPort?: number;
  /** Everything this node announces after a start is among the routes: the peers may be told that this is all. */
  readonly settled: boolean;
  /** The routes that are taken from peers; absent: none. */
  readonly learn?: LearnPolicy;
}

/** The way to pods of another node. */
export interface LearnedRoute extends Way {
  readonly prefix: Prefix;
}

/** All ways to other nodes' pods that are known. */
export interface LearnedRoutes {
  readonly routes: readonly LearnedRoute[];
  /** False soon after the start: the peers have not told all of them yet. */
  readonly complete: boolean;
}

export type ToWorker =
  | { readonly kind: "assign"; readonly assignment: Assignment }
  /** What changed. */
  | { readonly kind: "routes"; readonly set: readonly OfferedRoute[]; readonly remove: readonly string[] }
  | { readonly kind: "leave" };

export type FromWorker =
  | { readonly kind: "status"; readonly peers: readonly PeerStatus[] }
  /** The routes of the last message were worked through: there is time for more. */
  | { readonly kind: "taken" }
  | { readonly kind: "learned"; readonly learned: LearnedRoutes }
  | LogLine;

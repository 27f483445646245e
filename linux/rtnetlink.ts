import type { Address, Prefix } from "../net/mod.ts";
import type { Netns } from "./netns.ts";

/** A network interface. rtnetlink(7) RTM_NEWLINK. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** 6 octets; empty for links without one. */
  readonly mac: Uint8Array;
  /** Octets. */
  readonly mtu: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  /** Has carrier (IFF_LOWER_UP). */
  readonly carrier: boolean;
  readonly loopback: boolean;
  readonly broadcast: boolean;
  readonly noArp: boolean;
  /** Index of the bridge, bond or VRF it belongs to. */
  readonly master?: number;
  /** "bridge", "veth", "vxlan", ...; absent for physical links. */
  readonly kind?: string;
}

export interface LinkAddress {
  readonly ifindex: number;
  readonly address: Address;
  /** Bits. */
  readonly length: number;
}

export interface Route {
  readonly destination: Prefix;
  readonly gateway?: Address;
  readonly ifindex?: number;
  /** Preferred source. */
  readonly source?: Address;
  /** Who made it: RTPROT_* or our own number (ROUTE_PROTOCOL). */
  readonly protocol: number;
}

export interface Neighbour {
  readonly ifindex: number;
  readonly address: Address;
  readonly mac: Uint8Array;
}

export interface VethOptions {
  readonly name: string;
  readonly mtu: number;
  /** Index of the bridge the host end joins. */
  readonly master?: number;
  readonly hairpin: boolean;
  readonly peer: { readonly name: string; readonly netns: Netns; readonly mac?: Uint8Array };
}

/** The protocol number of routes made by Ironbridge (rt_protos leaves 64 to 185 free). */
export const ROUTE_PROTOCOL = 73;

/** Links, addresses, routes and neighbours of one network namespace. Every call is synchronous and some microseconds. */
export interface Rtnetlink {
  links(): Link[];
  link(name: string): Link | undefined;
  addresses(): LinkAddress[];
  /** Routes of the main table, both families. */
  routes(): Route[];
  neighbours(ifindex: number): Neighbour[];
  /** Returns the index. */
  createBridge(options: { readonly name: string; readonly mac: Uint8Array; readonly mtu: number }): number;
  /** Both ends in one request, the peer born in its namespace. Returns the index of the host end. */
  createVeth(options: VethOptions): number;
  setLink(
    index: number,
    change: { readonly up?: boolean; readonly mtu?: number; readonly master?: number; readonly hairpin?: boolean },
  ): void;
  deleteLink(index: number): void;
  /** IPv6 addresses are added without duplicate address detection. No error when it is there already. */
  addAddress(address: LinkAddress): void;
  deleteAddress(address: LinkAddress): void;
  replaceRoute(route: Route): void;
  deleteRoute(route: Route): void;
  replaceNeighbour(neighbour: Neighbour): void;
  close(): void;
}

/** Opens rtnetlink in `netns`, or in the namespace of this process. */
export declare function openRtnetlink(netns?: Netns): Rtnetlink;

export type RtnetlinkTopic = "link" | "address" | "route" | "neighbour";

/** Calls `onChange` after the kernel reported a change of one of `topics`; a lost report (ENOBUFS) counts as a change. */
export declare function watchRtnetlink(
  topics: readonly RtnetlinkTopic[],
  onChange: (topic: RtnetlinkTopic) => void,
): { close(): void };

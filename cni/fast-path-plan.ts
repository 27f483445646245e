import type { Link, Route } from "../linux/mod.ts";
import { type Address, type Prefix, prefixContains, printAddress, printPrefix } from "../net/mod.ts";
import type { Bandwidth } from "./bandwidth.ts";
import type { Entrance } from "./fast-path-program.ts";
import { type Lease, linkOf } from "./lease-store.ts";
import type { Uplink } from "./uplink.ts";

/** Which packets may take the short way, and where to. */
export interface FastPathPlan {
  /** The links by which they come in, by index as text. */
  readonly entrances: ReadonlyMap<string, FastPathEntrance>;
  /** Pods of this node, by address. */
  readonly pods: ReadonlyMap<string, Exit<Address>>;
  /** Pods of other nodes, by prefix. */
  readonly ways: ReadonlyMap<string, Exit<Prefix>>;
}

export interface FastPathEntrance {
  readonly ifindex: number;
  readonly kind: Entrance;
}

/** A destination and the index of the link that leads there. */
export interface Exit<T> {
  readonly to: T;
  readonly ifindex: number;
}

export interface FastPathFacts {
  readonly leases: readonly Lease[];
  readonly links: readonly Link[];
  readonly routes: Iterable<Route>;
  readonly uplink: Uplink | undefined;
  /** Index of the tunnel device, where there is one. */
  readonly tunnel: number | undefined;
}

/** Whether what a pod with these limits sends may take the short way: past a limit it may not. */
export function mayEnter(bandwidth: Bandwidth | undefined): boolean {
  return bandwidth?.egress === undefined;
}

/** Pods whose rate is limited keep to the ordinary way in that direction: the limit sits on it. */
export function fastPathPlan({ leases, links, routes, uplink, tunnel }: FastPathFacts): FastPathPlan {
  const byName = new Map(links.map((link) => [link.name, link]));
  const entrances: FastPathEntrance[] = [uplink?.ifindex, tunnel]
    .filter((ifindex) => ifindex !== undefined)
    .map((ifindex) => ({ ifindex, kind: "node" }));
  const pods = new Map<string, Exit<Address>>();
  for (const lease of leases) {
    const port = byName.get(linkOf(lease));
    if (port === undefined || !lease.complete || lease.chained) continue;
    if (mayEnter(lease.bandwidth)) entrances.push({ ifindex: port.index, kind: "pod" });
    if (lease.bandwidth?.ingress !== undefined) continue;
    for (const to of lease.addresses) pods.set(printAddress(to), { to, ifindex: port.index });
  }
  const ways = new Map<string, Exit<Prefix>>();
  for (const { destination: to, gateway, ifindex = directLink(gateway, uplink) } of routes) {
    if (ifindex !== undefined) ways.set(printPrefix(to), { to, ifindex });
  }
  return { entrances: new Map(entrances.map((entrance) => [String(entrance.ifindex), entrance])), pods, ways };
}

/** The uplink, when the gateway is there. */
function directLink(gateway: Address | undefined, uplink: Uplink | undefined): number | undefined {
  const isNear = gateway !== undefined && uplink?.connected.some((prefix) => prefixContains(prefix, gateway));
  return isNear ? uplink?.ifindex : undefined;
}

import { printCommunity } from "../../config/mod.ts";
import type { BgpServiceRefusal } from "./decide.ts";
import type { PeerStatus } from "./message.ts";
import type { NodePeer } from "./peer-settings.ts";
import { attributesFor, type RouteAttributes } from "./route.ts";
import type { RouteView } from "./route-view.ts";

/** A route as a peer is told it. */
export interface PrintedRoute {
  readonly prefix: string;
  readonly localPref?: number;
  /** The peer is asked for other ways, since the node is being emptied. */
  readonly drained?: true;
  readonly med?: number;
  readonly prepend?: number;
  readonly communities?: readonly string[];
}

export interface BgpState {
  /** By name: how the session stands, and what the peer is to know. It knows all of it when nothing is pending. */
  readonly peers: Readonly<Record<string, Partial<PeerStatus> & { readonly routes: readonly PrintedRoute[] }>>;
  /** Services with an address that this node does not announce by BGP, and why. */
  readonly refused: Readonly<Record<string, BgpServiceRefusal>>;
}

/** What the BGP speaker knows, for people. */
export function bgpStateOf(view: RouteView, peers: readonly NodePeer[], statuses: readonly PeerStatus[]): BgpState {
  const statusOf = new Map(statuses.map((status) => [status.name, status]));
  const refused: Record<string, BgpServiceRefusal> = {};
  for (const each of view.services.values()) if ("refused" in each) refused[each.service] = each.refused;
  const routesOf = (peer: NodePeer) => {
    if ("waits" in peer) return [];
    const { name, families } = peer.settings;
    return [...view.routes.values()].flatMap(({ key, prefix, offers }) => {
      const attributes = families.includes(prefix.family) ? attributesFor(offers, name) : undefined;
      return attributes === undefined ? [] : [printRoute(key, attributes)];
    });
  };
  const entries = peers.map((peer) => {
    const waits = "waits" in peer ? { why: peer.waits } : {};
    return [peer.name, { ...statusOf.get(peer.name), ...waits, routes: routesOf(peer) }] as const;
  });
  return { peers: Object.fromEntries(entries), refused };
}

function printRoute(prefix: string, attributes: RouteAttributes): PrintedRoute {
  const { localPref, drained, med, prepend, communities, largeCommunities } = attributes;
  const printed = [
    ...communities.map((value) => printCommunity({ kind: "legacy", parts: [value >>> 16, value & 0xffff] })),
    ...largeCommunities.map((parts) => printCommunity({ kind: "large", parts })),
  ];
  return {
    prefix,
    ...(localPref === 0 ? {} : { localPref }),
    ...(drained ? { drained } : {}),
    ...(med === undefined ? {} : { med }),
    ...(prepend === 0 ? {} : { prepend }),
    ...(printed.length === 0 ? {} : { communities: printed }),
  };
}

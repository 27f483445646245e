import type { RoutingMode } from "../config/mod.ts";
import { diffMaps, explainError } from "../core/mod.ts";
import { objectKey, type V1Node } from "../kube/mod.ts";
import { ROUTE_PROTOCOL, type Route, type Rtnetlink } from "../linux/mod.ts";
import {
  type Address,
  type Family,
  isLinkLocal,
  type Prefix,
  prefixContains,
  prefixRange,
  printAddress,
  printPrefix,
  rangesOverlap,
} from "../net/mod.ts";
import { internalAddresses, podPrefixes } from "./pod-network.ts";
import { type TunnelNode, tunnelEnd, tunnelMac } from "./tunnel.ts";

/** What decides how a node is reached. */
export interface Routing {
  readonly mode: RoutingMode;
  /** What is reached without a router. */
  readonly connected: readonly Prefix[];
  /** The tunnel device, where there is one. */
  readonly tunnel?: { readonly ifindex: number; readonly family: Family };
}

/** Routes by destination, nodes behind the tunnel, and what could not become one. */
export interface DesiredRoutes {
  readonly routes: ReadonlyMap<string, Route>;
  readonly tunnelNodes: readonly TunnelNode[];
  readonly problems: readonly string[];
}

interface OwnedPrefix {
  readonly prefix: Prefix;
  readonly node: V1Node;
}

/** Pod prefixes of other nodes and, in sentences, which of them can't be true. */
interface OtherPrefixes {
  readonly prefixes: readonly OwnedPrefix[];
  readonly problems: readonly string[];
}

/**
 * The pod prefixes of all nodes but `self`. One that overlaps a prefix of `self` or of another node (the first by name has
 * it) is left out.
 */
export function otherPrefixes(nodes: readonly V1Node[], self: string): OtherPrefixes {
  const problems: string[] = [];
  const taken: OwnedPrefix[] = [];
  for (const node of [...nodes].sort(byPrecedence(self))) {
    for (const prefix of prefixesOf(node, problems)) {
      const rival = taken.find((other) => rangesOverlap(prefixRange(other.prefix), prefixRange(prefix)));
      if (rival === undefined) taken.push({ prefix, node });
      else
        problems.push(
          `${describe({ prefix, node })} overlaps ${printPrefix(rival.prefix)} of node ${objectKey(rival.node)}`,
        );
    }
  }
  return { prefixes: taken.filter(({ node }) => objectKey(node) !== self), problems };
}

function describe({ prefix, node }: OwnedPrefix): string {
  return `pod prefix ${printPrefix(prefix)} of node ${objectKey(node)}`;
}

/**
 * A route to each pod prefix of every other node, by way of the node's address of the same family or in the tunnel, which
 * carries both families.
 */
export function desiredRoutes(nodes: readonly V1Node[], self: string, routing: Routing): DesiredRoutes {
  const others = otherPrefixes(nodes, self);
  const routes = new Map<string, Route>();
  const tunnelNodes = new Map<string, TunnelNode>();
  const problems = [...others.problems];
  for (const { prefix, node } of others.prefixes) {
    const owner = objectKey(node);
    const addresses = internalAddresses(node);
    const gateway = addresses.find(({ family }) => family === prefix.family);
    const remote = tunnelTarget(addresses, gateway, routing);
    if (routing.tunnel !== undefined && remote !== undefined) {
      const end = tunnelEnd(prefix);
      const { ends = [] } = tunnelNodes.get(owner) ?? {};
      tunnelNodes.set(owner, { mac: tunnelMac(owner), remote, ends: [...ends, end] });
      const { ifindex } = routing.tunnel;
      const route = { destination: prefix, gateway: end, ifindex, onLink: true, protocol: ROUTE_PROTOCOL };
      routes.set(printPrefix(prefix), route);
    } else if (gateway === undefined) {
      problems.push(`${describe({ prefix, node })}: the node has no ${prefix.family} InternalIP`);
    } else {
      routes.set(printPrefix(prefix), { destination: prefix, gateway, protocol: ROUTE_PROTOCOL });
    }
  }
  return { routes, tunnelNodes: [...tunnelNodes.values()], problems };
}

/**
 * Where the tunnel to a node of these addresses ends; undefined when it is reached without one.
 * @param gateway Of the pods' family; a near node without it is reached in the tunnel, too.
 */
function tunnelTarget(
  addresses: readonly Address[],
  gateway: Address | undefined,
  { mode, connected, tunnel }: Routing,
): Address | undefined {
  const remote = addresses.find(({ family }) => family === tunnel?.family);
  if (remote === undefined || mode === "direct") return undefined;
  const near = connected.some((prefix) => prefixContains(prefix, remote));
  return mode === "cross-subnet" && near && gateway !== undefined ? undefined : remote;
}

/** This node first, then by name: what this node holds is never sent to another. */
function byPrecedence(self: string): (a: V1Node, b: V1Node) => number {
  const rank = (node: V1Node) => `${objectKey(node) === self ? 0 : 1}${objectKey(node)}`;
  return (a, b) => (rank(a) < rank(b) ? -1 : 1);
}

/** One node's mistake must not cost the others their routes. */
function prefixesOf(node: V1Node, problems: string[]): readonly Prefix[] {
  try {
    return podPrefixes(node);
  } catch (error) {
    problems.push(`node ${objectKey(node)}: ${explainError(error)}`);
    return [];
  }
}

/**
 * Makes the kernel's routes of Ironbridge equal to `desired`, those that an earlier run left included.
 * @returns What the kernel refused; the other routes are in place.
 */
export function applyRoutes(
  kernel: Pick<Rtnetlink, "routes" | "replaceRoute" | "deleteRoute">,
  desired: ReadonlyMap<string, Route>,
): string[] {
  const ours = kernel.routes().filter(({ protocol }) => protocol === ROUTE_PROTOCOL);
  const current = new Map(ours.map((route) => [printPrefix(route.destination), route]));
  const change = diffMaps(current, desired, printWay);
  const problems: string[] = [];
  const attempt = (name: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      problems.push(`route to ${name}: ${explainError(error)}`);
    }
  };
  for (const name of change.remove) attempt(name, () => kernel.deleteRoute(current.get(name)!));
  for (const [name, route] of change.set) {
    const before = current.get(name);
    attempt(name, () => {
      // The kernel looks for an IPv6 gateway first, and the route that is to go would lead to it over another link.
      if (before !== undefined && route.onLink) kernel.deleteRoute(before);
      kernel.replaceRoute(route);
    });
  }
  return problems;
}

/** The kernel fills in the link of a gateway that an address tells the way to; it is part of the way to any other. */
function printWay({ gateway, onLink, ifindex }: Route): string {
  const via = gateway === undefined ? "" : printAddress(gateway);
  const isLinkPart = onLink || (gateway !== undefined && isLinkLocal(gateway));
  return isLinkPart ? `${via} on link ${ifindex}` : via;
}

import { diffMaps, explainError } from "../core/mod.ts";
import { objectKey, type V1Node } from "../kube/mod.ts";
import { ROUTE_PROTOCOL, type Route, type Rtnetlink } from "../linux/mod.ts";
import { type Prefix, prefixRange, printAddress, printPrefix, rangesOverlap } from "../net/mod.ts";
import { internalAddresses, podPrefixes } from "./pod-network.ts";

/** Routes by destination, and what could not become one. */
export interface DesiredRoutes {
  readonly routes: ReadonlyMap<string, Route>;
  readonly problems: readonly string[];
}

interface OwnedPrefix {
  readonly prefix: Prefix;
  /** Name of the node. */
  readonly owner: string;
}

/**
 * A route to each pod prefix of every other node, by way of the node's address of the same family: all nodes share one
 * L2 network. A prefix that overlaps one of this node or of another node (the first by name has it) is left out.
 */
export function desiredRoutes(nodes: readonly V1Node[], self: string): DesiredRoutes {
  const routes = new Map<string, Route>();
  const problems: string[] = [];
  const taken: OwnedPrefix[] = [];
  for (const node of [...nodes].sort(byPrecedence(self))) {
    const owner = objectKey(node);
    for (const prefix of prefixesOf(node, problems)) {
      const name = `${printPrefix(prefix)} of node ${owner}`;
      const rival = taken.find((other) => rangesOverlap(prefixRange(other.prefix), prefixRange(prefix)));
      if (rival !== undefined) {
        problems.push(`pod prefix ${name} overlaps ${printPrefix(rival.prefix)} of node ${rival.owner}`);
        continue;
      }
      taken.push({ prefix, owner });
      if (owner === self) continue;
      const gateway = internalAddresses(node).find(({ family }) => family === prefix.family);
      if (gateway === undefined) problems.push(`pod prefix ${name}: the node has no ${prefix.family} InternalIP`);
      else routes.set(printPrefix(prefix), { destination: prefix, gateway, protocol: ROUTE_PROTOCOL });
    }
  }
  return { routes, problems };
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
  const change = diffMaps(current, desired, ({ gateway }) => (gateway === undefined ? "" : printAddress(gateway)));
  const problems: string[] = [];
  const attempt = (name: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      problems.push(`route to ${name}: ${explainError(error)}`);
    }
  };
  for (const name of change.remove) attempt(name, () => kernel.deleteRoute(current.get(name)!));
  for (const [name, route] of change.set) attempt(name, () => kernel.replaceRoute(route));
  return problems;
}

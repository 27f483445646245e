import { ROUTE_PROTOCOL, type Rtnetlink } from "../linux/mod.ts";
import { type Address, type Prefix, printPrefix } from "../net/mod.ts";
import type { DesiredRoutes } from "./routes.ts";

/** The way to pods of another node. */
export interface LearnedRoute {
  readonly prefix: Prefix;
  readonly nextHop: Address;
  /** Name of the link that the next hop is on; absent: addresses tell. */
  readonly device?: string;
}

/** The ways to other nodes' pods that a routing protocol knows. */
export interface LearnedRoutes {
  readonly routes: readonly LearnedRoute[];
  /** False soon after the start, when it has not heard of all yet. */
  readonly complete: boolean;
}

/** Where the pod network asks for them. */
export interface PodRoutes {
  current(): LearnedRoutes;
  /** Calls `listener` after each change. Returns the way to stop. */
  subscribe(listener: () => void): () => void;
}

/** What was learned; until that is all, the routes that an earlier run left stay, since pods work on by them. */
export function learnedRoutes(
  { routes, complete }: LearnedRoutes,
  kernel: Pick<Rtnetlink, "routes" | "link">,
): DesiredRoutes {
  const left = complete ? [] : kernel.routes().filter(({ protocol }) => protocol === ROUTE_PROTOCOL);
  const desired = new Map(left.map((route) => [printPrefix(route.destination), route]));
  const problems: string[] = [];
  for (const { prefix, nextHop, device } of routes) {
    const ifindex = device === undefined ? undefined : kernel.link(device)?.index;
    const way = { destination: prefix, gateway: nextHop, protocol: ROUTE_PROTOCOL };
    if (device === undefined) desired.set(printPrefix(prefix), way);
    else if (ifindex !== undefined) desired.set(printPrefix(prefix), { ...way, ifindex });
    else problems.push(`pod prefix ${printPrefix(prefix)}: the interface ${device} of its session is gone`);
  }
  return { routes: desired, tunnelNodes: [], problems };
}

import { ROUTE_PROTOCOL, type Route, type Rtnetlink } from "../linux/mod.ts";
import { type Address, type Prefix, printPrefix } from "../net/mod.ts";
import type { DesiredRoutes } from "./routes.ts";

/** The ways to other nodes' pods that a routing protocol knows. */
export interface LearnedRoutes {
  readonly routes: readonly { readonly prefix: Prefix; readonly nextHop: Address }[];
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
export function learnedRoutes({ routes, complete }: LearnedRoutes, kernel: Pick<Rtnetlink, "routes">): DesiredRoutes {
  const left = complete ? [] : kernel.routes().filter(({ protocol }) => protocol === ROUTE_PROTOCOL);
  const learned = routes.map(
    ({ prefix, nextHop }): Route => ({ destination: prefix, gateway: nextHop, protocol: ROUTE_PROTOCOL }),
  );
  const all = [...left, ...learned].map((route) => [printPrefix(route.destination), route] as const);
  return { routes: new Map(all), tunnelNodes: [], problems: [] };
}

import { type Prefix, printPrefix } from "../../net/mod.ts";
import type { OfferedRoute } from "./route.ts";

/** Who announces the node's pods, in the place of a Service. */
export const POD_NETWORK = "the pod network";

/** The route to pods of this node, for every peer. */
export function podRoute(prefix: Prefix): OfferedRoute {
  const nothingMore = { localPref: 0, communities: [], largeCommunities: [], drained: false, prepend: 0 };
  return { key: printPrefix(prefix), prefix, offers: [{ advertisement: POD_NETWORK, peers: "all", ...nothingMore }] };
}

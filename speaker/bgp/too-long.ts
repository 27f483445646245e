import { BGP_MESSAGE_LENGTH } from "../../net/mod.ts";
import type { PeerStatus } from "./message.ts";
import { offersFor } from "./route.ts";
import type { RouteView } from "./route-view.ts";

/** A sentence for each Service and route that does not fit into a message to this peer, and what can be done. */
export function tooLongRoutes({ name, tooLong }: PeerStatus, view: RouteView): string[] {
  if (tooLong === undefined) return [];
  const { octets, routes } = tooLong;
  const usual = octets === BGP_MESSAGE_LENGTH.usual;
  const remedy = `take some of them away${usual ? ", or let the router offer extended messages (RFC 8654)" : ""}`;
  return routes.flatMap((key) =>
    [...view.contributions(key)].map(([service, { offers }]) => {
      const adverts = new Set(offersFor(offers, name).map(({ advertisement }) => advertisement));
      const given = `BGPAdvertisement ${[...adverts].join(" and ")} gives it more communities`;
      return `Service ${service}: ${key} is not told to BGPPeer ${name}: ${given} than a message of ${octets} octets holds; ${remedy}`;
    }),
  );
}

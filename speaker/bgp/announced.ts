import type { NodePeer } from "./peer-settings.ts";
import { attributesFor } from "./route.ts";
import type { RouteView } from "./route-view.ts";

/** The Services this node announces, and the names of the peers they are for. */
export function announcedTo(
  { services }: RouteView,
  isReady: (service: string) => boolean,
  peers: readonly NodePeer[],
): ReadonlyMap<string, readonly string[]> {
  const names = peers.map(({ name }) => name).sort();
  const announced = new Map<string, readonly string[]>();
  for (const each of services.values()) {
    if (!("routes" in each) || !isReady(each.service)) continue;
    const offers = each.routes.flatMap((route) => route.offers);
    const meant = names.filter((name) => attributesFor(offers, name) !== undefined);
    if (meant.length > 0) announced.set(each.service, meant);
  }
  return announced;
}

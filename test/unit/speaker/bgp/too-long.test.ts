import { expect, test } from "vitest";
import { noCounts } from "../../../../speaker/bgp/message.ts";
import { RouteView } from "../../../../speaker/bgp/route-view.ts";
import { tooLongRoutes } from "../../../../speaker/bgp/too-long.ts";
import { advert, configOf, here, node, service } from "./decide-objects.ts";

test("tooLongRoutes() names the Service, the advertisement and what can be done", () => {
  const config = configOf(advert({ peers: ["other"] }, "far"), advert({ peers: ["tor"] }, "near"));
  const view = new RouteView({ service: () => service(), slicesOf: () => [here] });
  view.refresh(["default/web"], config, node);
  view.settle(["default/web"], () => true);
  const status = {
    name: "tor",
    phase: "established",
    remote: "",
    families: [],
    announced: 0,
    pending: 0,
    losses: 0,
  } as const;
  const told = (octets: number) =>
    tooLongRoutes({ ...status, counts: noCounts(), tooLong: { octets, routes: ["10.0.0.5/32"] } }, view);
  expect(told(4096)).toEqual([
    "Service default/web: 10.0.0.5/32 is not told to BGPPeer tor: BGPAdvertisement metallb-system/near gives it more communities than " +
      "a message of 4096 octets holds; take some of them away, or let the router offer extended messages (RFC 8654)",
  ]);
  expect(told(65_535)[0]).toMatch(/holds; take some of them away$/);
  expect(tooLongRoutes({ ...status, counts: noCounts() }, view)).toEqual([]);
});

import { expect, test } from "vitest";
import { learnedRoutes } from "../../../cni/learned-routes.ts";
import { fakeRtnetlink, ROUTE_PROTOCOL } from "../../../linux/mod.ts";
import { parseAddress, parseMac, parsePrefix } from "../../../net/mod.ts";

const route = (prefix: string, nextHop: string) => ({ prefix: parsePrefix(prefix), nextHop: parseAddress(nextHop) });
const left = (prefix: string, protocol: number) => ({ destination: parsePrefix(prefix), protocol });
const links = fakeRtnetlink();
links.createBridge({ name: "eth1", mac: parseMac("02:00:00:00:00:01"), mtu: 1500 });
const kernel = {
  link: (name: string) => links.link(name),
  routes: () => [left("10.244.3.0/24", ROUTE_PROTOCOL), left("192.0.2.0/24", 2)],
};

test("learnedRoutes() are what was learned, and what an earlier run left until that is all", () => {
  const routes = [route("10.244.2.0/24", "192.0.2.12")];
  const keys = (complete: boolean) => [...learnedRoutes({ routes, complete }, kernel).routes.keys()];
  expect(keys(false)).toEqual(["10.244.3.0/24", "10.244.2.0/24"]);
  expect(keys(true)).toEqual(["10.244.2.0/24"]);
  const { routes: found } = learnedRoutes({ routes, complete: true }, kernel);
  expect(found.get("10.244.2.0/24")).toMatchObject({ gateway: routes[0]?.nextHop, protocol: ROUTE_PROTOCOL });
});

test("learnedRoutes() lead over the link of an unnumbered session, and tell of one that is gone", () => {
  const [here, gone] = [route("10.244.2.0/24", "fe80::2"), route("10.244.3.0/24", "fe80::3")];
  const routes = [
    { ...here, device: "eth1" },
    { ...gone, device: "eth2" },
  ];
  const { routes: found, problems } = learnedRoutes({ routes, complete: true }, kernel);
  expect([...found.keys()]).toEqual(["10.244.2.0/24"]);
  expect(found.get("10.244.2.0/24")).toMatchObject({ gateway: here.nextHop, ifindex: links.link("eth1")?.index });
  expect(problems).toEqual(["pod prefix 10.244.3.0/24: the interface eth2 of its session is gone"]);
});

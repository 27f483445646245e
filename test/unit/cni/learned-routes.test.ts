import { expect, test } from "vitest";
import { learnedRoutes } from "../../../cni/learned-routes.ts";
import { ROUTE_PROTOCOL } from "../../../linux/mod.ts";
import { parseAddress, parsePrefix } from "../../../net/mod.ts";

const route = (prefix: string, nextHop: string) => ({ prefix: parsePrefix(prefix), nextHop: parseAddress(nextHop) });
const left = (prefix: string, protocol: number) => ({ destination: parsePrefix(prefix), protocol });
const kernel = { routes: () => [left("10.244.3.0/24", ROUTE_PROTOCOL), left("192.0.2.0/24", 2)] };

test("learnedRoutes() are what was learned, and what an earlier run left until that is all", () => {
  const routes = [route("10.244.2.0/24", "192.0.2.12")];
  const keys = (complete: boolean) => [...learnedRoutes({ routes, complete }, kernel).routes.keys()];
  expect(keys(false)).toEqual(["10.244.3.0/24", "10.244.2.0/24"]);
  expect(keys(true)).toEqual(["10.244.2.0/24"]);
  const { routes: found } = learnedRoutes({ routes, complete: true }, kernel);
  expect(found.get("10.244.2.0/24")).toMatchObject({ gateway: routes[0]?.nextHop, protocol: ROUTE_PROTOCOL });
});

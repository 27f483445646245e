import { describe, expect, test } from "vitest";
import { hostLinkName } from "../../../cni/attachment.ts";
import { type FastPathFacts, fastPathPlan } from "../../../cni/fast-path-plan.ts";
import type { Lease } from "../../../cni/lease-store.ts";
import { type Link, ROUTE_PROTOCOL, type Route } from "../../../linux/mod.ts";
import { parseAddress, parsePrefix } from "../../../net/mod.ts";

function lease(name: string, changes: Partial<Lease> = {}): Lease {
  const addresses = [parseAddress(`10.244.1.${name}`), parseAddress(`fd00:1::${name}`)];
  const key = { containerId: name, ifname: "eth0" };
  return { key, network: "n", netns: "/n", addresses, hostPorts: [], complete: true, ...changes };
}

const port = (index: number, { key }: Lease) => ({ index, name: hostLinkName(key) }) as Link;
const route = (destination: string, way: Partial<Route>): Route => ({
  destination: parsePrefix(destination),
  protocol: ROUTE_PROTOCOL,
  ...way,
});
const uplink = {
  ifindex: 2,
  mtu: 1500,
  address: parseAddress("192.168.1.11"),
  connected: [parsePrefix("192.168.1.0/24")],
};
const RATE = { rate: 1e6, burst: 1e6 };

function plan(facts: Partial<FastPathFacts>) {
  const { entrances, pods, ways } = fastPathPlan({
    leases: [],
    links: [],
    routes: [],
    uplink: undefined,
    tunnel: undefined,
    ...facts,
  });
  const exits = (map: ReadonlyMap<string, { readonly ifindex: number }>) =>
    Object.fromEntries([...map].map(([name, { ifindex }]) => [name, ifindex]));
  return {
    entrances: [...entrances.values()].map(({ ifindex, kind }) => `${kind} ${ifindex}`),
    pods: exits(pods),
    ways: exits(ways),
  };
}

describe("fastPathPlan()", () => {
  test("has each pod with all addresses behind its link, and lets in what comes from there", () => {
    const [a, b] = [lease("2"), lease("3")];
    expect(plan({ leases: [a, b], links: [port(7, a), port(8, b)] })).toEqual({
      entrances: ["pod 7", "pod 8"],
      pods: { "10.244.1.2": 7, "fd00:1::2": 7, "10.244.1.3": 8, "fd00:1::3": 8 },
      ways: {},
    });
  });

  const others: { name: string; changes: Partial<Lease>; entrances: string[]; pods: number }[] = [
    {
      name: "that is limited in what it receives: from it only",
      changes: { bandwidth: { ingress: RATE } },
      entrances: ["pod 7"],
      pods: 0,
    },
    {
      name: "that is limited in what it sends: to it only",
      changes: { bandwidth: { egress: RATE } },
      entrances: [],
      pods: 2,
    },
    { name: "that is not complete: neither", changes: { complete: false }, entrances: [], pods: 0 },
    { name: "of another plugin: neither", changes: { chained: true }, entrances: [], pods: 0 },
  ];
  test.each(others)("takes a pod $name", ({ changes, entrances, pods }) => {
    const pod = lease("2", changes);
    const found = plan({ leases: [pod], links: [port(7, pod)] });
    expect([found.entrances, Object.keys(found.pods).length]).toEqual([entrances, pods]);
  });

  test("leaves out a pod whose link is gone", () => {
    expect(plan({ leases: [lease("2")] })).toEqual({ entrances: [], pods: {}, ways: {} });
  });

  test("sends to other nodes by uplink or tunnel, and leaves to the kernel what a router is on the way of", () => {
    const routes = [
      route("10.244.2.0/24", { gateway: parseAddress("192.168.1.12") }),
      route("10.244.3.0/24", { gateway: parseAddress("10.244.3.0"), ifindex: 5 }),
      route("10.244.4.0/24", { gateway: parseAddress("172.16.0.4") }),
    ];
    expect(plan({ routes, uplink, tunnel: 5 })).toEqual({
      entrances: ["node 2", "node 5"],
      pods: {},
      ways: { "10.244.2.0/24": 2, "10.244.3.0/24": 5 },
    });
  });
});

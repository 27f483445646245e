import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyRoutes, desiredRoutes } from "../../../cni/routes.ts";
import { tunnelMac } from "../../../cni/tunnel.ts";
import type { V1Node } from "../../../kube/mod.ts";
import { ROUTE_PROTOCOL, type Route, type Rtnetlink } from "../../../linux/mod.ts";
import { parseAddress, parsePrefix, printAddress, printMac, printPrefix } from "../../../net/mod.ts";

const node = (name: string, podCIDRs: readonly string[], ...addresses: readonly string[]): V1Node => ({
  metadata: { name },
  spec: { podCIDRs: [...podCIDRs] },
  status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
});
const print = (routes: ReadonlyMap<string, Route>) =>
  [...routes.values()].map(({ destination, gateway }) => `${printPrefix(destination)} via ${printAddress(gateway!)}`);

describe("desiredRoutes()", () => {
  const self = node("a", ["10.244.1.0/24", "fd00:1::/64"], "192.0.2.1", "2001:db8::1");
  const cases: { name: string; nodes: V1Node[]; routes: string[]; problems: string[] }[] = [
    { name: "needs none to itself", nodes: [self], routes: [], problems: [] },
    {
      name: "leads each family by way of the address of that family",
      nodes: [self, node("b", ["10.244.2.0/24", "fd00:2::/64"], "192.0.2.2", "2001:db8::2")],
      routes: ["10.244.2.0/24 via 192.0.2.2", "fd00:2::/64 via 2001:db8::2"],
      problems: [],
    },
    { name: "waits for a node without a prefix", nodes: [self, node("b", [], "192.0.2.2")], routes: [], problems: [] },
    {
      name: "says which node lacks an address of the family",
      nodes: [self, node("b", ["10.244.2.0/24", "fd00:2::/64"], "192.0.2.2")],
      routes: ["10.244.2.0/24 via 192.0.2.2"],
      problems: ["pod prefix fd00:2::/64 of node b: the node has no ipv6 InternalIP"],
    },
    {
      name: "never sends this node's own prefix away",
      nodes: [node("0", ["10.244.0.0/16"], "192.0.2.9"), self],
      routes: [],
      problems: ["pod prefix 10.244.0.0/16 of node 0 overlaps 10.244.1.0/24 of node a"],
    },
    {
      name: "gives a prefix that two nodes have to the first by name",
      nodes: [self, node("c", ["10.244.2.0/24"], "192.0.2.3"), node("b", ["10.244.2.0/24"], "192.0.2.2")],
      routes: ["10.244.2.0/24 via 192.0.2.2"],
      problems: ["pod prefix 10.244.2.0/24 of node c overlaps 10.244.2.0/24 of node b"],
    },
    {
      name: "goes on after a prefix that is none",
      nodes: [self, node("b", ["10.244.2.0"], "192.0.2.2"), node("c", ["10.244.3.0/24"], "192.0.2.3")],
      routes: ["10.244.3.0/24 via 192.0.2.3"],
      problems: [expect.stringContaining('node b: "10.244.2.0" is not a prefix')],
    },
  ];
  test.each(cases)("$name", ({ nodes, routes, problems }) => {
    const desired = desiredRoutes(nodes, "a", { mode: "direct", connected: [] });
    expect(print(desired.routes)).toEqual(routes);
    expect(desired.problems).toEqual(problems);
  });
});

describe("desiredRoutes() with a tunnel", () => {
  const self = node("a", ["10.244.1.0/24", "fd00:1::/64"], "192.0.2.1");
  const near = node("near", ["10.244.2.0/24"], "192.0.2.2");
  const far = node("far", ["10.244.3.0/24", "fd00:3::/64"], "198.51.100.3");
  const connected = [parsePrefix("192.0.2.0/24")];
  const tunnel = { ifindex: 7, family: "ipv4" } as const;

  test("leads to all nodes in the tunnel, both families over one underlay", () => {
    const desired = desiredRoutes([self, near, far], "a", { mode: "vxlan", connected, tunnel });
    expect(print(desired.routes)).toEqual([
      "10.244.3.0/24 via 10.244.3.0",
      "fd00:3::/64 via fd00:3::",
      "10.244.2.0/24 via 10.244.2.0",
    ]);
    expect([...desired.routes.values()].every(({ ifindex, onLink }) => ifindex === 7 && onLink === true)).toBe(true);
    expect(
      desired.tunnelNodes.map(({ remote, ends, mac }) => [printAddress(remote), ends.map(printAddress), mac]),
    ).toEqual([
      ["198.51.100.3", ["10.244.3.0", "fd00:3::"], tunnelMac("far")],
      ["192.0.2.2", ["10.244.2.0"], tunnelMac("near")],
    ]);
  });

  test("keeps nodes of one subnet out of it in a mix", () => {
    const desired = desiredRoutes([self, near, far], "a", { mode: "cross-subnet", connected, tunnel });
    expect(print(desired.routes)).toEqual([
      "10.244.3.0/24 via 10.244.3.0",
      "fd00:3::/64 via fd00:3::",
      "10.244.2.0/24 via 192.0.2.2",
    ]);
    expect(desired.tunnelNodes).toHaveLength(1);
  });

  test("takes pods of a near node in the tunnel that has no address of their family", () => {
    const dual = node("near", ["10.244.2.0/24", "fd00:2::/64"], "192.0.2.2");
    const desired = desiredRoutes([self, dual], "a", { mode: "cross-subnet", connected, tunnel });
    expect(print(desired.routes)).toEqual(["10.244.2.0/24 via 192.0.2.2", "fd00:2::/64 via fd00:2::"]);
    expect(desired.tunnelNodes.map(({ ends }) => ends.map(printAddress))).toEqual([["fd00:2::"]]);
    expect(desired.problems).toEqual([]);
  });
});

test("tunnelMac() gives each node a station address of its own", () => {
  const macs = Array.from({ length: 500 }, (_, i) => tunnelMac(`node-${i}`));
  expect(macs.every(([first = 0]) => (first & 3) === 2)).toBe(true);
  expect(new Set(macs.map(printMac)).size).toBe(500);
  expect(tunnelMac("node-1")).toEqual(tunnelMac("node-1"));
});

describe("applyRoutes()", () => {
  /** A kernel of routes only. */
  function kernelWith(routes: readonly Route[], refused: readonly string[] = []) {
    let table = [...routes];
    const without = (route: Route) =>
      table.filter((r) => printPrefix(r.destination) !== printPrefix(route.destination));
    const kernel: Pick<Rtnetlink, "routes" | "replaceRoute" | "deleteRoute"> = {
      routes: () => table,
      replaceRoute: (route) => {
        if (refused.includes(printPrefix(route.destination))) throw new Error("Network is unreachable");
        table = [...without(route), route];
      },
      deleteRoute: (route) => {
        table = without(route);
      },
    };
    return {
      kernel,
      print: () => print(new Map(table.map((route) => [printPrefix(route.destination), route]))).sort(),
    };
  }
  const route = (destination: string, gateway: string, protocol: number = ROUTE_PROTOCOL): Route => ({
    destination: parsePrefix(destination),
    gateway: parseAddress(gateway),
    protocol,
  });
  const desired = (...routes: readonly Route[]) => new Map(routes.map((r) => [printPrefix(r.destination), r]));

  test("adds, changes, removes, and leaves routes of others alone", () => {
    const { kernel, print: table } = kernelWith([
      route("10.0.0.0/8", "192.0.2.254", 4),
      route("10.244.2.0/24", "192.0.2.2"),
      route("10.244.3.0/24", "192.0.2.3"),
    ]);
    expect(
      applyRoutes(kernel, desired(route("10.244.2.0/24", "192.0.2.9"), route("10.244.4.0/24", "192.0.2.4"))),
    ).toEqual([]);
    expect(table()).toEqual([
      "10.0.0.0/8 via 192.0.2.254",
      "10.244.2.0/24 via 192.0.2.9",
      "10.244.4.0/24 via 192.0.2.4",
    ]);
  });

  test("names what the kernel refuses and does the rest", () => {
    const { kernel, print: table } = kernelWith([], ["10.244.2.0/24"]);
    const problems = applyRoutes(
      kernel,
      desired(route("10.244.2.0/24", "192.0.2.2"), route("10.244.3.0/24", "192.0.2.3")),
    );
    expect(problems).toEqual(["route to 10.244.2.0/24: Network is unreachable"]);
    expect(table()).toEqual(["10.244.3.0/24 via 192.0.2.3"]);
  });

  test("takes a route away before one into the tunnel comes in its place: the kernel would find the gateway behind it", () => {
    const { kernel, print: table } = kernelWith([route("10.244.2.0/24", "192.0.2.2")]);
    const done: string[] = [];
    const watched: typeof kernel = {
      ...kernel,
      deleteRoute: (old) => {
        done.push("delete");
        kernel.deleteRoute(old);
      },
      replaceRoute: (next) => {
        done.push("replace");
        kernel.replaceRoute(next);
      },
    };
    const tunnelled = { ...route("10.244.2.0/24", "10.244.2.0"), ifindex: 5, onLink: true };
    expect(applyRoutes(watched, desired(tunnelled))).toEqual([]);
    expect([done, table()]).toEqual([["delete", "replace"], ["10.244.2.0/24 via 10.244.2.0"]]);
  });

  test("leads a link-local gateway over the link it is on now, and leaves what is so", () => {
    const way = (ifindex: number) => ({ ...route("10.244.2.0/24", "fe80::1"), ifindex });
    const { kernel } = kernelWith([way(2)]);
    applyRoutes(kernel, desired(way(3)));
    const [after] = kernel.routes();
    expect(after?.ifindex).toBe(3);
    applyRoutes(kernel, desired(way(3)));
    expect(kernel.routes()[0]).toBe(after);
  });

  test("makes any table equal to what is desired", () => {
    const some = fc.uniqueArray(fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 3 })), { selector: ([prefix]) => prefix });
    const routes = some.map((list) =>
      list.map(([prefix, gateway]) => route(`10.244.${prefix}.0/24`, `192.0.2.${gateway}`)),
    );
    fc.assert(
      fc.property(routes, routes, (before, after) => {
        const { kernel, print: table } = kernelWith(before);
        applyRoutes(kernel, desired(...after));
        expect(table()).toEqual(print(desired(...after)).sort());
      }),
    );
  });
});

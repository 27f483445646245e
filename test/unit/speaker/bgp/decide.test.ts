import { beforeEach, describe, expect, test } from "vitest";
import type { V1EndpointSlice, V1Node, V1Service } from "../../../../kube/mod.ts";
import { bgpAdvertOptionsOf } from "../../../../speaker/bgp/advert-options.ts";
import { type BgpConfig, serviceRoutesOf } from "../../../../speaker/bgp/decide.ts";
import { attributesFor } from "../../../../speaker/bgp/route.ts";
import { RouteView } from "../../../../speaker/bgp/route-view.ts";
import { advert, configOf, elsewhere, here, node, service, slice } from "./decide-objects.ts";

/** The prefixes announced, or why there are none. */
function outcome(of: V1Service, slices: readonly V1EndpointSlice[], config: BgpConfig, on: V1Node = node) {
  const found = serviceRoutesOf(of, slices, config, on);
  if (found === undefined) return "nothing";
  return "refused" in found ? found.refused : found.routes.map(({ key }) => key).join(" ");
}

describe("serviceRoutesOf()", () => {
  const all = configOf(advert());
  const cases: {
    name: string;
    service?: V1Service;
    slices?: V1EndpointSlice[];
    config?: BgpConfig;
    node?: V1Node;
    want: string;
  }[] = [
    { name: "an address", want: "10.0.0.5/32" },
    {
      name: "addresses of both families",
      service: service({}, ["10.0.0.5", "2001:db8::5"]),
      want: "10.0.0.5/32 2001:db8::5/128",
    },
    { name: "no address yet", service: service({}, []), want: "nothing" },
    { name: "another type", service: service({ type: "ClusterIP" }), want: "nothing" },
    { name: "an address of no pool", service: service({}, ["10.9.9.9"]), want: "noPool" },
    { name: "another class", service: service({ loadBalancerClass: "other" }), want: "otherClass" },
    { name: "no advertisement", config: configOf(), want: "noAdvertisement" },
    { name: "no endpoint", slices: [], want: "noEndpoint" },
    { name: "an endpoint that is not ready", slices: [slice(["node1", { ready: false }])], want: "noEndpoint" },
    {
      name: "an endpoint that terminates and serves",
      slices: [slice(["node1", { ready: false, serving: true }])],
      want: "10.0.0.5/32",
    },
    { name: "policy Cluster and an endpoint elsewhere", slices: [elsewhere], want: "10.0.0.5/32" },
    {
      name: "policy Local and an endpoint elsewhere",
      service: service({ externalTrafficPolicy: "Local" }),
      slices: [elsewhere],
      want: "noLocalEndpoint",
    },
    {
      name: "policy Local and an endpoint here",
      service: service({ externalTrafficPolicy: "Local" }),
      slices: [here],
      want: "10.0.0.5/32",
    },
    {
      name: "an advertisement for other nodes",
      config: configOf(advert({ nodeSelectors: [{ matchLabels: { rack: "b" } }] })),
      want: "notSelected",
    },
    {
      name: "an advertisement for this node",
      config: configOf(advert({ nodeSelectors: [{ matchLabels: { rack: "a" } }] })),
      want: "10.0.0.5/32",
    },
    {
      name: "an advertisement for other Services",
      config: configOf(advert({ serviceSelectors: [{ matchLabels: { app: "x" } }] })),
      want: "noAdvertisement",
    },
    {
      name: "an advertisement for Services of either kind",
      config: configOf(
        advert({ serviceSelectors: [{ matchLabels: { app: "x" } }, { matchLabels: { env: "staging" } }] }),
      ),
      service: service({}, ["10.0.0.5"], { labels: { env: "staging" } }),
      want: "10.0.0.5/32",
    },
    {
      name: "an advertisement for other pools",
      config: configOf(advert({ ipAddressPools: ["other"] })),
      want: "noAdvertisement",
    },
    {
      name: "an aggregate",
      config: configOf(advert({ aggregationLength: 26 })),
      service: service({}, ["10.0.0.70"]),
      want: "10.0.0.64/26",
    },
    {
      name: "an aggregate and the address",
      config: configOf(advert({ aggregationLength: 24 }), advert({}, "exact")),
      want: "10.0.0.0/24 10.0.0.5/32",
    },
    {
      name: "a node without network",
      node: { ...node, status: { conditions: [{ type: "NetworkUnavailable", status: "True" }] } },
      want: "networkUnavailable",
    },
    {
      name: "a node that is excluded",
      node: { metadata: { name: "node1", labels: { "node.kubernetes.io/exclude-from-external-load-balancers": "" } } },
      want: "excludedByLabel",
    },
    {
      name: "advertisements for the Service that contradict each other",
      config: configOf(
        advert({ localPref: 100, serviceSelectors: [{ matchLabels: { app: "web" } }] }, "a"),
        advert({ localPref: 200, serviceSelectors: [{ matchLabels: { tier: "1" } }] }, "b"),
      ),
      service: service({}, ["10.0.0.5"], { labels: { app: "web", tier: "1" } }),
      want: "conflictingLocalPref",
    },
  ];
  test.each(cases)(
    "$name: $want",
    ({ service: of = service(), slices = [here], config = all, node: on = node, want }) => {
      expect(outcome(of, slices, config, on)).toBe(want);
    },
  );

  const told = (of: V1Service, config: BgpConfig, on = node) => {
    const found = serviceRoutesOf(of, [here], config, on);
    return found && "routes" in found ? attributesFor(found.routes[0]!.offers, "tor") : undefined;
  };

  test("the communities of all advertisements of a prefix, the longer path of the two", () => {
    const config = configOf(
      advert({ communities: ["1:2"] }, "a"),
      advert({ communities: ["1:3", "large:1:2:3"] }, "b", { "ironbridge.io/as-path-prepend": "3" }),
    );
    expect(told(service(), config)).toMatchObject({
      communities: [0x10002, 0x10003],
      largeCommunities: [[1, 2, 3]],
      prepend: 3,
    });
  });

  test("communities for some Services beside those for all", () => {
    const config = configOf(
      advert({ communities: ["1:1"] }, "shared"),
      advert({ communities: ["1:2"], serviceSelectors: [{ matchLabels: { app: "gold" } }] }, "gold"),
    );
    const gold = service({}, ["10.0.0.5"], { labels: { app: "gold" } });
    expect(told(gold, config)?.communities).toEqual([0x10001, 0x10002]);
    expect(told(service(), config)?.communities).toEqual([0x10001]);
  });

  test("communities a Service asks for, of those it is allowed", () => {
    const config = configOf(advert({}, "all", { "ironbridge.io/service-communities": "1:2, large:1:1:1" }));
    const annotations = { "ironbridge.io/communities": "1:2,9:9,large:1:1:1,nonsense" };
    expect(told(service({}, ["10.0.0.5"], { annotations }), config)).toMatchObject({
      communities: [0x10002],
      largeCommunities: [[1, 1, 1]],
    });
  });

  test("a cordoned node's routes ask for other ways where the advertisement wants it", () => {
    const config = configOf(advert({ localPref: 50 }, "all", { "ironbridge.io/drain-on-cordon": "true" }));
    const cordoned = { ...node, spec: { unschedulable: true } };
    expect(told(service(), config, cordoned)).toMatchObject({ drained: true, localPref: 50 });
    expect(told(service(), config)).toMatchObject({ drained: false, localPref: 50 });
    expect(told(service(), configOf(advert()), cordoned)).toMatchObject({ drained: false });
  });
});

describe("bgpAdvertOptionsOf()", () => {
  test("tells what means nothing and does without it", () => {
    const annotations = {
      "ironbridge.io/as-path-prepend": "99",
      "ironbridge.io/med": "-1",
      "ironbridge.io/drain-on-cordon": "maybe",
      "ironbridge.io/service-communities": "x",
    };
    const { options, problems } = bgpAdvertOptionsOf(advert({}, "all", annotations));
    expect(options).toEqual({ prepend: 0, drainOnCordon: false, serviceCommunities: [] });
    expect(problems).toHaveLength(4);
  });
});

describe("RouteView over edits", () => {
  const selecting = (env: string) => configOf(advert({ serviceSelectors: [{ matchLabels: { env } }] }));
  let labels: Record<string, string>;
  let view: RouteView;
  beforeEach(() => {
    labels = { env: "a" };
    view = new RouteView({ service: () => service({}, ["10.0.0.5"], { labels }), slicesOf: () => [here] });
  });
  const announces = (config: BgpConfig) => {
    view.refresh(["default/web"], config, node);
    view.settle(["default/web"], () => true);
    return view.offers("default/web");
  };

  test("a Service whose labels change is announced while they are selected", () => {
    const seen = [announces(selecting("a"))];
    labels = { env: "b" };
    seen.push(announces(selecting("a")));
    labels = { env: "a" };
    seen.push(announces(selecting("a")));
    expect(seen).toEqual([true, false, true]);
  });

  test("an advertisement whose selector changes swaps its Services", () => {
    expect([announces(selecting("a")), announces(selecting("b")), announces(selecting("a"))]).toEqual([
      true,
      false,
      true,
    ]);
  });
});

describe("RouteView", () => {
  const services = new Map<string, V1Service>();
  const put = (name: string, ip: string) =>
    services.set(`default/${name}`, { ...service({}, [ip]), metadata: { name, namespace: "default" } });
  const config = configOf(advert({ aggregationLength: 24 }), advert({ communities: ["1:1"] }, "exact"));
  const view = new RouteView({ service: (key) => services.get(key), slicesOf: () => [here] });
  const settle = (touched: readonly string[], ready: readonly string[]) => {
    view.refresh(touched, config, node);
    const { set, remove } = view.settle([...touched, ...services.keys()], (key) => ready.includes(key));
    return { set: set.map(({ key }) => key).sort(), remove: [...remove].sort() };
  };

  test("says what changed, and keeps a prefix for as long as one Service wants it", () => {
    put("a", "10.0.0.1");
    put("b", "10.0.0.2");
    expect(settle(["default/a", "default/b"], [])).toEqual({ set: [], remove: [] });
    expect(settle([], ["default/a"])).toEqual({ set: ["10.0.0.0/24", "10.0.0.1/32"], remove: [] });
    expect(settle([], ["default/a", "default/b"])).toEqual({ set: ["10.0.0.2/32"], remove: [] });
    expect(settle(["default/a"], ["default/a", "default/b"])).toEqual({ set: [], remove: [] });
    put("b", "10.0.0.3");
    expect(settle(["default/b"], ["default/a", "default/b"])).toEqual({
      set: ["10.0.0.3/32"],
      remove: ["10.0.0.2/32"],
    });
    services.delete("default/a");
    expect(settle(["default/a"], ["default/b"])).toEqual({ set: [], remove: ["10.0.0.1/32"] });
    expect(settle([], [])).toEqual({ set: [], remove: ["10.0.0.0/24", "10.0.0.3/32"] });
  });
});

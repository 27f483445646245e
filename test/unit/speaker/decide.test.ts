import { describe, expect, test } from "vitest";
import { type IPAddressPool, type L2Advertisement, resolveConfig } from "../../../config/mod.ts";
import type { V1EndpointSlice, V1Node, V1Service } from "../../../kube/mod.ts";
import { factsOf, standingOf } from "../../../speaker/mod.ts";

type Conditions = { ready?: boolean; serving?: boolean; terminating?: boolean };

const pool = (name: string, ...addresses: string[]): IPAddressPool => ({
  metadata: { name, namespace: "metallb-system", labels: { pool: name } },
  spec: { addresses },
});
const advert = (spec: L2Advertisement["spec"], name = "advert"): L2Advertisement => ({
  metadata: { name, namespace: "metallb-system" },
  spec,
});
const POOL = pool("pool", "192.168.1.100-192.168.1.150");
const config = (adverts: readonly L2Advertisement[] = [advert({})], pools = [POOL]) =>
  resolveConfig({ pools, l2Advertisements: adverts });

const service = (more: Partial<V1Service["spec"]> = {}, ips = ["192.168.1.100"]): V1Service => ({
  metadata: { name: "web", namespace: "shop", labels: { app: "web" } },
  spec: { type: "LoadBalancer", ...more },
  status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
});
const slice = (...endpoints: [node: string, conditions?: Conditions][]): V1EndpointSlice => ({
  metadata: { name: "web-1", namespace: "shop" },
  addressType: "IPv4",
  endpoints: endpoints.map(([nodeName, conditions]) => ({
    addresses: ["10.244.1.7"],
    nodeName,
    ...(conditions === undefined ? {} : { conditions }),
  })),
});
const READY = slice(["node1", { ready: true }]);
const node = (name: string, labels: Record<string, string> = {}, networkUnavailable?: string): V1Node => ({
  metadata: { name, labels },
  status: {
    conditions: [
      { type: "Ready", status: "False" },
      ...(networkUnavailable === undefined ? [] : [{ type: "NetworkUnavailable", status: networkUnavailable }]),
    ],
  },
});

describe("factsOf()", () => {
  test.each([
    ["another type", { ...service(), spec: { type: "ClusterIP" } }],
    ["no address yet", service({}, [])],
    ["a host name only", { ...service(), status: { loadBalancer: { ingress: [{ hostname: "lb.example" }] } } }],
    [
      "ipMode Proxy",
      { ...service(), status: { loadBalancer: { ingress: [{ ip: "192.168.1.100", ipMode: "Proxy" }] } } },
    ],
  ])("knows nothing of a Service with %s", (_, each) => {
    expect(factsOf(each, [READY], config())).toBeUndefined();
  });

  test("gives the addresses in canonical form and the order of the status", () => {
    const both = config(undefined, [pool("both", "192.168.1.0/24", "2001:db8::/64")]);
    const facts = factsOf(service({}, ["2001:DB8::0:5", "192.168.1.7"]), [READY], both);
    expect(facts).toMatchObject({ service: "shop/web", addresses: ["2001:db8::5", "192.168.1.7"] });
  });

  const shared = {
    ...service(),
    metadata: { ...service().metadata, annotations: { "metallb.io/allow-shared-ip": "a" } },
  };
  const classed = service({ loadBalancerClass: "example.com/other" });
  const ours = {
    ...classed,
    metadata: { ...classed.metadata, annotations: { "metallb.io/ip-allocated-from-pool": "pool" } },
  };
  const refusals: [string, V1Service, V1EndpointSlice[], ReturnType<typeof config>, string | undefined][] = [
    ["it is announced when all is well", service(), [READY], config(), undefined],
    ["no pool has the address", service({}, ["192.168.2.1"]), [READY], config(), "noPool"],
    [
      "its addresses lie in two pools",
      service({}, ["192.168.1.100", "192.168.2.1"]),
      [READY],
      config(undefined, [POOL, pool("other", "192.168.2.0/24")]),
      "noPool",
    ],
    ["nothing advertises", service(), [READY], config([]), "noAdvertisement"],
    [
      "only another pool is advertised",
      service(),
      [READY],
      config([advert({ ipAddressPools: ["x"] })]),
      "noAdvertisement",
    ],
    [
      "its labels match no service selector",
      service(),
      [READY],
      config([advert({ serviceSelectors: [{ matchLabels: { app: "db" } }] })]),
      "noAdvertisement",
    ],
    [
      "one of two service selectors matches",
      service(),
      [READY],
      config([advert({ serviceSelectors: [{ matchLabels: { app: "db" } }, { matchLabels: { app: "web" } }] })]),
      undefined,
    ],
    ["it may share its address under a plain advertisement", shared, [READY], config(), undefined],
    [
      "it may share its address and an advertisement selects it",
      shared,
      [READY],
      config([advert({}), advert({ serviceSelectors: [{ matchLabels: { app: "web" } }] }, "selective")]),
      "sharedIPWithServiceSelector",
    ],
    ["another program gave its address", classed, [READY], config(), "otherClass"],
    ["our controller gave its address for a class", ours, [READY], config(), undefined],
    ["it has no endpoint", service(), [], config(), "noEndpoint"],
    ["no endpoint is ready", service(), [slice(["node1", { ready: false }])], config(), "noEndpoint"],
    ["an endpoint says nothing about itself", service(), [slice(["node1"])], config(), undefined],
    [
      "an endpoint terminates but still serves",
      service(),
      [slice(["node1", { ready: false, serving: true, terminating: true }])],
      config(),
      undefined,
    ],
    [
      "an endpoint terminates and no longer serves",
      service(),
      [slice(["node1", { ready: false, serving: false, terminating: true }])],
      config(),
      "noEndpoint",
    ],
  ];
  test.each(refusals)("%s", (_, each, slices, resolved, want) => {
    const facts = factsOf(each, slices, resolved);
    expect(facts).toBeDefined();
    expect(facts?.refused).toBe(want);
  });
});

describe("standingOf()", () => {
  const standing = (of: V1Node, adverts?: readonly L2Advertisement[], each = service(), slices = [READY]) =>
    standingOf(factsOf(each, slices, config(adverts))!, of);

  test("any node may announce, also one that is not ready", () => {
    expect(standing(node("node9"))).toEqual({ score: 0, interfaces: "all", rule: "sticky" });
  });

  test.each([
    ["True", { refused: "networkUnavailable" }],
    ["False", { score: 0, interfaces: "all", rule: "sticky" }],
    ["Unknown", { score: 0, interfaces: "all", rule: "sticky" }],
  ])("NetworkUnavailable %s", (status, want) => {
    expect(standing(node("node1", {}, status))).toEqual(want);
  });

  test("a node that is ready is fitter than any preference makes one that is not", () => {
    const prefer = [{ weight: 100, preference: { matchLabels: { zone: "a" } } }];
    const adverts = Array.from({ length: 200 }, (_, i) => advert({ preferredNodeSelectors: prefer }, `a${i}`));
    const liked = standing(node("node1", { zone: "a" }), adverts);
    const well = { ...node("node2"), status: { conditions: [{ type: "Ready", status: "True" }] } };
    expect(liked).toMatchObject({ score: 0x3fff });
    expect(standing(well, adverts)).toMatchObject({ score: 0x4000 });
  });

  test("a node that is out of service announces nothing", () => {
    const taints = [{ key: "node.kubernetes.io/out-of-service", effect: "NoExecute" }];
    expect(standing({ ...node("node1"), spec: { taints } })).toEqual({ refused: "outOfService" });
  });

  test("a cordoned node announces, unless every advertisement that selects it drains on cordon", () => {
    const drained = { election: "sticky", drainOnCordon: true } as const;
    const both = [advert({}, "one"), advert({}, "two")];
    const cordoned = { ...node("node1"), spec: { unschedulable: true } };
    const of = (...names: string[]) => {
      const advertOptions = new Map(names.map((name) => [`metallb-system/${name}`, drained]));
      return standingOf(factsOf(service(), [READY], { ...config(both), advertOptions })!, cordoned);
    };
    expect(of()).toHaveProperty("score");
    expect(of("one")).toHaveProperty("score");
    expect(of("one", "two")).toEqual({ refused: "cordoned" });
  });

  test("the exclude label counts whatever its value", () => {
    const label = "node.kubernetes.io/exclude-from-external-load-balancers";
    expect(standing(node("node1", { [label]: "false" }))).toEqual({ refused: "excludedByLabel" });
  });

  test("policy Local wants an endpoint on the node", () => {
    const local = service({ externalTrafficPolicy: "Local" });
    const slices = [slice(["node1"], ["node2", { ready: false }], ["node3", { ready: false, serving: true }])];
    expect(standing(node("node1"), undefined, local, slices)).toHaveProperty("score");
    expect(standing(node("node2"), undefined, local, slices)).toEqual({ refused: "noLocalEndpoint" });
    expect(standing(node("node3"), undefined, local, slices)).toHaveProperty("score");
    expect(standing(node("node4"), undefined, local, slices)).toEqual({ refused: "noLocalEndpoint" });
  });

  const zone = (value: string) => ({ matchLabels: { zone: value } });
  test("node selectors of one or more advertisements", () => {
    const adverts = [
      advert({ nodeSelectors: [zone("a"), zone("b")] }, "one"),
      advert({ nodeSelectors: [zone("c")] }, "two"),
    ];
    expect(standing(node("node1", { zone: "b" }), adverts)).toHaveProperty("score");
    expect(standing(node("node1", { zone: "c" }), adverts)).toHaveProperty("score");
    expect(standing(node("node1", { zone: "d" }), adverts)).toEqual({ refused: "notSelected" });
    expect(standing(node("node1"), adverts)).toEqual({ refused: "notSelected" });
  });

  test("interfaces of the advertisements that select the node, joined", () => {
    const adverts = [
      advert({ interfaces: ["eth1", "eth0"], nodeSelectors: [zone("a")] }, "one"),
      advert({ interfaces: ["eth2", "eth0"], nodeSelectors: [zone("a")] }, "two"),
      advert({ nodeSelectors: [zone("b")] }, "three"),
    ];
    expect(standing(node("node1", { zone: "a" }), adverts)).toMatchObject({ interfaces: ["eth0", "eth1", "eth2"] });
    expect(standing(node("node1", { zone: "b" }), adverts)).toMatchObject({ interfaces: "all" });
  });

  test("one advertisement for all interfaces means all", () => {
    const adverts = [advert({ interfaces: ["eth1"] }, "one"), advert({}, "two")];
    expect(standing(node("node1"), adverts)).toMatchObject({ interfaces: "all" });
  });

  test("weights of all matching preferences of all matching advertisements add up", () => {
    const prefer = (weight: number, value: string) => ({ weight, preference: zone(value) });
    const adverts = [
      advert({ preferredNodeSelectors: [prefer(60, "a"), prefer(60, "b")] }, "one"),
      advert({ preferredNodeSelectors: [prefer(50, "a")] }, "two"),
      advert({ nodeSelectors: [zone("b")], preferredNodeSelectors: [prefer(100, "a"), prefer(1, "b")] }, "three"),
    ];
    expect(standing(node("node1", { zone: "a" }), adverts)).toMatchObject({ score: 110 });
    expect(standing(node("node1", { zone: "b" }), adverts)).toMatchObject({ score: 61 });
    expect(standing(node("node1", { zone: "c" }), adverts)).toMatchObject({ score: 0 });
  });
});

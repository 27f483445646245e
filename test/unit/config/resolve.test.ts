import { describe, expect, test } from "vitest";
import { type IPAddressPool, type L2Advertisement, resolveConfig } from "../../../config/mod.ts";
import { printRange } from "../../../net/mod.ts";

/** A pool as YAML would give it, mistakes included: the type is what the API server promises, not what it holds. */
function pool(name: string, spec: unknown, metadata: IPAddressPool["metadata"] = {}): IPAddressPool {
  return { metadata: { name, namespace: "metallb-system", ...metadata }, spec: spec as IPAddressPool["spec"] };
}

function advert(name: string, spec: unknown): L2Advertisement {
  const metadata = { name, namespace: "metallb-system" };
  return spec === undefined ? { metadata } : { metadata, spec: spec as NonNullable<L2Advertisement["spec"]> };
}

function resolvePools(...pools: IPAddressPool[]) {
  return resolveConfig({ pools, l2Advertisements: [] });
}

const good = pool("good", { addresses: ["203.0.113.0/28"] });

describe("resolveConfig() reads pools", () => {
  const cases: { name: string; addresses: string[]; ranges: string[] }[] = [
    { name: "a prefix", addresses: ["192.168.1.0/30"], ranges: ["192.168.1.0-192.168.1.3"] },
    { name: "a prefix with host bits", addresses: ["192.168.1.77/24"], ranges: ["192.168.1.0-192.168.1.255"] },
    { name: "a range", addresses: ["192.168.1.100-192.168.1.150"], ranges: ["192.168.1.100-192.168.1.150"] },
    { name: "spaces around the dash", addresses: ["10.0.0.1 - 10.0.0.2"], ranges: ["10.0.0.1-10.0.0.2"] },
    { name: "a range of one address", addresses: ["10.0.0.1-10.0.0.1"], ranges: ["10.0.0.1-10.0.0.1"] },
    { name: "an IPv6 prefix", addresses: ["2001:db8::/127"], ranges: ["2001:db8::-2001:db8::1"] },
    { name: "an IPv6 range", addresses: ["fc00::10-fc00::1f"], ranges: ["fc00::10-fc00::1f"] },
    {
      name: "both families, in the order of the spec",
      addresses: ["fc00::/128", "10.0.0.8/32", "10.0.0.0/32"],
      ranges: ["fc00::-fc00::", "10.0.0.8-10.0.0.8", "10.0.0.0-10.0.0.0"],
    },
  ];
  test.each(cases)("$name", ({ addresses, ranges }) => {
    const config = resolvePools(pool("a", { addresses }));
    expect(config.problems).toEqual([]);
    expect(config.pools[0]?.ranges.map(printRange)).toEqual(ranges);
  });

  test("fills in the defaults", () => {
    const [read] = resolvePools(pool("a", { addresses: ["10.0.0.0/24"] }, { labels: { tier: "gold" } })).pools;
    expect(read).toMatchObject({
      name: "a",
      namespace: "metallb-system",
      autoAssign: true,
      avoidBuggyIps: false,
      holes: [],
      labels: { tier: "gold" },
    });
    expect(read).not.toHaveProperty("serviceAllocation");
  });

  test("keeps an empty serviceAllocation, which prefers the pool for every Service", () => {
    const [read] = resolvePools(pool("a", { addresses: ["10.0.0.0/24"], serviceAllocation: {} })).pools;
    expect(read?.serviceAllocation).toEqual({
      priority: 0,
      namespaces: [],
      namespaceSelectors: [],
      serviceSelectors: [],
    });
  });

  test("gives pools by name whatever their order and age", () => {
    const config = resolvePools(
      pool("b", { addresses: ["10.0.1.0/24"] }, { creationTimestamp: "2026-01-01T00:00:00Z" }),
      pool("a", { addresses: ["10.0.0.0/24"] }, { creationTimestamp: "2026-01-02T00:00:00Z" }),
    );
    expect(config.pools.map(({ name }) => name)).toEqual(["a", "b"]);
  });
});

describe("resolveConfig() reads advertisements", () => {
  test("one without a spec announces everything", () => {
    const { l2Advertisements, problems } = resolveConfig({ pools: [], l2Advertisements: [advert("all", undefined)] });
    expect(problems).toEqual([]);
    expect(l2Advertisements).toEqual([
      {
        name: "all",
        namespace: "metallb-system",
        pools: [],
        poolSelectors: [],
        nodeSelectors: [],
        serviceSelectors: [],
        interfaces: [],
        preferredNodeSelectors: [],
      },
    ]);
  });

  test("one that names a pool not there is no mistake: the pool may come later", () => {
    const config = resolveConfig({ pools: [], l2Advertisements: [advert("a", { ipAddressPools: ["later"] })] });
    expect(config.problems).toEqual([]);
    expect(config.l2Advertisements[0]?.pools).toEqual(["later"]);
  });
});

describe("resolveConfig() refuses", () => {
  const selectors = [{ matchLabels: { a: "b" } }, { matchLabels: { a: "b" } }];
  const expression = (operator: string, values?: string[]) => [{ matchExpressions: [{ key: "a", operator, values }] }];
  const cases: { name: string; pools?: IPAddressPool[]; adverts?: L2Advertisement[] }[] = [
    { name: "a pool without a spec", pools: [pool("bad", undefined)] },
    { name: "a pool without addresses", pools: [pool("bad", {})] },
    { name: "a pool with an empty list", pools: [pool("bad", { addresses: [] })] },
    { name: "a bare IPv4 address", pools: [pool("bad", { addresses: ["192.168.1.5"] })] },
    { name: "a bare IPv6 address", pools: [pool("bad", { addresses: ["fc00::5"] })] },
    { name: "a range backwards", pools: [pool("bad", { addresses: ["192.168.1.9-192.168.1.1"] })] },
    { name: "a range of two families", pools: [pool("bad", { addresses: ["192.168.1.1-fc00::1"] })] },
    { name: "a range with three ends", pools: [pool("bad", { addresses: ["10.0.0.1-10.0.0.2-10.0.0.3"] })] },
    { name: "a prefix too long", pools: [pool("bad", { addresses: ["10.0.0.0/33"] })] },
    { name: "no address at all", pools: [pool("bad", { addresses: ["my pool"] })] },
    { name: "an empty text", pools: [pool("bad", { addresses: [""] })] },
    { name: "a wrong type", pools: [pool("bad", { addresses: ["10.0.0.0/24"], autoAssign: "yes" })] },
    { name: "a list that is a text", pools: [pool("bad", { addresses: "10.0.0.0/24" })] },
    {
      name: "a fraction as priority",
      pools: [pool("bad", { addresses: ["10.0.0.0/24"], serviceAllocation: { priority: 1.5 } })],
    },
    {
      name: "a namespace twice",
      pools: [pool("bad", { addresses: ["10.0.0.0/24"], serviceAllocation: { namespaces: ["x", "y", "x"] } })],
    },
    {
      name: "a namespace selector twice",
      pools: [pool("bad", { addresses: ["10.0.0.0/24"], serviceAllocation: { namespaceSelectors: selectors } })],
    },
    {
      name: "a Service selector twice",
      pools: [pool("bad", { addresses: ["10.0.0.0/24"], serviceAllocation: { serviceSelectors: selectors } })],
    },
    { name: "ranges of one pool that overlap", pools: [pool("bad", { addresses: ["10.0.0.0/24", "10.0.0.9/32"] })] },
    {
      name: "the younger of two pools that overlap",
      pools: [
        pool("bad", { addresses: ["192.168.1.120-192.168.1.160"] }, { creationTimestamp: "2026-01-02T00:00:00Z" }),
        pool("old", { addresses: ["192.168.1.100-192.168.1.150"] }, { creationTimestamp: "2026-01-01T00:00:00Z" }),
      ],
    },
    {
      name: "the later by name of two pools of one age that overlap",
      pools: [pool("b", { addresses: ["10.0.0.0/8"] }), pool("a", { addresses: ["10.1.0.0/16"] })],
    },
    {
      name: "a pool named as an older one of another namespace",
      pools: [
        pool("bad", { addresses: ["10.0.0.0/24"] }, { namespace: "a" }),
        pool("bad", { addresses: ["10.0.1.0/24"] }, { namespace: "b" }),
      ],
    },
    {
      name: "every mistake of a pool at once",
      pools: [pool("bad", { addresses: ["10.0.0.9-10.0.0.1", "x"], avoidBuggyIPs: 1 })],
    },
    { name: "an advertisement that names a pool twice", adverts: [advert("bad", { ipAddressPools: ["a", "a"] })] },
    { name: "an interface twice", adverts: [advert("bad", { interfaces: ["eth0", "eth0"] })] },
    { name: "an interface without a name", adverts: [advert("bad", { interfaces: [""] })] },
    { name: "a node selector twice", adverts: [advert("bad", { nodeSelectors: selectors })] },
    { name: "an operator not known", adverts: [advert("bad", { nodeSelectors: expression("Equals", ["b"]) })] },
    { name: "In without values", adverts: [advert("bad", { nodeSelectors: expression("In") })] },
    { name: "Exists with values", adverts: [advert("bad", { nodeSelectors: expression("Exists", ["b"]) })] },
    { name: "a value twice", adverts: [advert("bad", { ipAddressPoolSelectors: expression("In", ["b", "b"]) })] },
    {
      name: "a requirement twice",
      adverts: [
        advert("bad", {
          serviceSelectors: [
            {
              matchExpressions: [
                { key: "a", operator: "Exists" },
                { key: "a", operator: "Exists" },
              ],
            },
          ],
        }),
      ],
    },
    {
      name: "a weight out of its bounds",
      adverts: [
        advert("bad", {
          preferredNodeSelectors: [
            { weight: 0, preference: {} },
            { weight: 101, preference: {} },
          ],
        }),
      ],
    },
  ];

  test.each(cases)("$name", ({ pools = [], adverts = [] }) => {
    const config = resolveConfig({ pools: [...pools, good], l2Advertisements: [...adverts, advert("good", {})] });
    const refused = new Set(config.problems.map(({ namespace, name }) => `${namespace}/${name}`));
    expect(refused.size).toBe(1);
    expect(config.pools.length + config.l2Advertisements.length).toBe(pools.length + adverts.length + 1);
    expect(config.pools.map(({ name }) => name)).toContain("good");
    expect(config.l2Advertisements.map(({ name }) => name)).toContain("good");
  });

  test("in full sentences that name object, field, value, reason and remedy", async () => {
    const text = cases.map(({ name, pools = [], adverts = [] }) => {
      const { problems } = resolveConfig({ pools, l2Advertisements: adverts });
      return [`# ${name}`, ...problems.map(({ message }) => message), ""].join("\n");
    });
    await expect(text.join("\n")).toMatchFileSnapshot("../../golden/config/problems.txt");
  });
});

import { describe, expect, test } from "vitest";
import { type IPAddressPool, resolveConfig } from "../../../config/mod.ts";
import { printRange } from "../../../net/mod.ts";
import { advert, pool, REFUSED } from "./pool-mistakes.ts";

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
  test.each(REFUSED)("$name", ({ pools = [], l2Advertisements = [] }) => {
    const config = resolveConfig({
      pools: [...pools, good],
      l2Advertisements: [...l2Advertisements, advert("good", {})],
    });
    expect(new Set(config.problems.map(({ name }) => name))).toEqual(new Set(["bad"]));
    expect(config.pools.length + config.l2Advertisements.length).toBe(pools.length + l2Advertisements.length + 1);
    expect(config.pools.map(({ name }) => name)).toContain("good");
    expect(config.l2Advertisements.map(({ name }) => name)).toContain("good");
  });

  test("in full sentences that name object, field, value, reason and remedy", async () => {
    const text = REFUSED.map(({ name, ...objects }) => {
      const { problems } = resolveConfig({ pools: [], l2Advertisements: [], ...objects });
      return [`# ${name}`, ...problems.map(({ message }) => message), ""].join("\n");
    });
    await expect(text.join("\n")).toMatchFileSnapshot("../../golden/config/problems.txt");
  });
});

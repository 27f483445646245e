import { describe, expect, test } from "vitest";
import { advertisementsOf, isBuggyAddress, type Pool, poolOf, resolveConfig } from "../../../config/mod.ts";
import { parseAddress } from "../../../net/mod.ts";

const config = resolveConfig({
  pools: [
    { metadata: { name: "four", labels: { tier: "gold" } }, spec: { addresses: ["10.0.0.0/23"], avoidBuggyIPs: true } },
    { metadata: { name: "six" }, spec: { addresses: ["fc00::/120"] } },
    { metadata: { name: "both" }, spec: { addresses: ["10.1.0.0/24", "fc01::/120"] } },
  ],
  l2Advertisements: [
    { metadata: { name: "all" }, spec: {} },
    { metadata: { name: "named" }, spec: { ipAddressPools: ["six"] } },
    { metadata: { name: "labelled" }, spec: { ipAddressPoolSelectors: [{ matchLabels: { tier: "gold" } }] } },
    {
      metadata: { name: "either" },
      spec: { ipAddressPools: ["both"], ipAddressPoolSelectors: [{ matchLabels: { tier: "gold" } }] },
    },
  ],
});

describe("poolOf()", () => {
  const cases: { addresses: string[]; want: string | undefined; why: string }[] = [
    { addresses: ["10.0.0.7"], want: "four", why: "in a range" },
    { addresses: ["10.0.1.254"], want: "four", why: "last but one of a range" },
    { addresses: ["10.0.2.1"], want: undefined, why: "outside every range" },
    { addresses: ["10.0.0.255"], want: undefined, why: "avoided by its pool" },
    { addresses: ["10.1.0.255"], want: "both", why: "not avoided by its pool" },
    { addresses: ["fc00::ff"], want: "six", why: "IPv6 has no address to avoid" },
    { addresses: ["10.1.0.1", "fc01::1"], want: "both", why: "both families in one pool" },
    { addresses: ["10.0.0.7", "fc00::1"], want: undefined, why: "two pools needed" },
    { addresses: [], want: undefined, why: "no address" },
  ];
  test.each(cases)("$addresses: $why", ({ addresses, want }) => {
    expect(poolOf(config, addresses.map(parseAddress))?.name).toBe(want);
  });
});

describe("advertisementsOf()", () => {
  const cases = [
    { pool: "four", want: ["all", "either", "labelled"] },
    { pool: "six", want: ["all", "named"] },
    { pool: "both", want: ["all", "either"] },
  ];
  test.each(cases)("pool $pool", ({ pool, want }) => {
    const found = config.pools.find(({ name }) => name === pool) as Pool;
    expect(advertisementsOf(config, found).map(({ name }) => name)).toEqual(want);
  });
});

test.each([
  ["10.0.0.0", true],
  ["10.0.0.255", true],
  ["10.0.0.1", false],
  ["10.0.255.1", false],
  ["fc00::", false],
  ["fc00::ff", false],
])("isBuggyAddress() %s is %s", (text, want) => expect(isBuggyAddress(parseAddress(text))).toBe(want));

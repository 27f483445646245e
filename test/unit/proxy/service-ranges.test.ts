import { describe, expect, test } from "vitest";
import type { V1ServiceCIDR } from "../../../kube/mod.ts";
import { parsePrefix } from "../../../net/mod.ts";
import { serviceRanges } from "../../../proxy/service-ranges.ts";

const cidr = (...cidrs: string[]): V1ServiceCIDR => ({ metadata: { name: cidrs[0] ?? "" }, spec: { cidrs } });

describe("serviceRanges()", () => {
  const named = [cidr("10.96.0.0/16", "fd00:96::/112"), cidr("10.97.0.0/24"), cidr("10.96.8.0/24")];

  test("are those of all ServiceCIDRs, without those that lie inside others", () => {
    expect(serviceRanges("ipv4", [], named)).toEqual(["10.96.0.0/16", "10.97.0.0/24"]);
    expect(serviceRanges("ipv6", [], named)).toEqual(["fd00:96::/112"]);
  });

  test("are those that the operator chose, where there are some", () => {
    const chosen = [parsePrefix("10.100.0.0/16")];
    expect(serviceRanges("ipv4", chosen, named)).toEqual(["10.100.0.0/16"]);
    expect(serviceRanges("ipv6", chosen, named)).toEqual([]);
  });

  test("are none where nobody says any, or nothing that can be read", () => {
    expect(serviceRanges("ipv4", [], [])).toEqual([]);
    expect(serviceRanges("ipv4", [], [cidr("10.96.0.0/99"), { metadata: { name: "empty" } }])).toEqual([]);
  });
});

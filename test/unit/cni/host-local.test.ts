import { describe, expect, test } from "vitest";
import { CniError } from "../../../cni/cni-error.ts";
import { parseHostLocal } from "../../../cni/host-local.ts";
import { parseConfig } from "../../../cni/network-config.ts";
import { printPrefix, printRange } from "../../../net/mod.ts";

const FOUR = "10.244.1.0/24";
const SIX = "fd00:244:1::/64";

function read(ipam: object) {
  const { subnets, ranges } = parseHostLocal({ type: "host-local", ...ipam });
  return { subnets: subnets.map(printPrefix), ranges: ranges.map(printRange) };
}

describe("parseHostLocal()", () => {
  test.each([
    { name: "no range", ipam: {}, subnets: [], ranges: [] },
    { name: "the old form", ipam: { subnet: FOUR }, subnets: [FOUR], ranges: [] },
    {
      name: "the old form with its ends and its gateway",
      ipam: { subnet: FOUR, rangeStart: "10.244.1.9", rangeEnd: "10.244.1.20", gateway: "10.244.1.1" },
      subnets: [FOUR],
      ranges: ["10.244.1.9-10.244.1.20"],
    },
    {
      name: "two families, the old form first",
      ipam: { subnet: SIX, ranges: [[{ subnet: FOUR, rangeEnd: "10.244.1.99" }]] },
      subnets: [SIX, FOUR],
      ranges: ["10.244.1.0-10.244.1.99"],
    },
    {
      name: "two ranges in one set",
      ipam: {
        ranges: [
          [
            { subnet: FOUR, rangeStart: "10.244.1.9", rangeEnd: "10.244.1.20" },
            { subnet: FOUR, rangeStart: "10.244.1.200" },
          ],
        ],
      },
      subnets: [FOUR],
      ranges: ["10.244.1.9-10.244.1.20", "10.244.1.200-10.244.1.255"],
    },
    {
      name: "a whole prefix beside a part of it",
      ipam: { ranges: [[{ subnet: FOUR, rangeStart: "10.244.1.200" }, { subnet: FOUR }]] },
      subnets: [FOUR],
      ranges: [],
    },
    {
      name: "the routes that every pod has",
      ipam: { subnet: FOUR, routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }] },
      subnets: [FOUR],
      ranges: [],
    },
  ])("reads $name", ({ ipam, subnets, ranges }) => {
    expect(read(ipam)).toEqual({ subnets, ranges });
  });

  test.each([
    { ipam: { type: "dhcp" }, code: 2, says: 'ipam.type "dhcp" is not supported' },
    { ipam: { type: undefined }, code: 7, says: "ipam.type" },
    { ipam: { dataDir: "/x" }, code: 2, says: "ipam.dataDir is not supported" },
    { ipam: { resolvConf: "/etc/resolv.conf" }, code: 2, says: "ipam.resolvConf is not supported" },
    { ipam: { routes: [{ dst: "10.0.0.0/8" }] }, code: 2, says: 'ipam.routes: {"dst":"10.0.0.0/8"}' },
    { ipam: { routes: [{ dst: "0.0.0.0/0", gw: "10.0.0.9" }] }, code: 2, says: '"gw":"10.0.0.9"' },
    { ipam: { subnet: FOUR, gateway: "10.244.1.254" }, code: 2, says: 'only "10.244.1.1" is' },
    { ipam: { ranges: [[{ subnet: FOUR }], [{ subnet: FOUR }]] }, code: 2, says: "two sets of ipv4" },
    { ipam: { ranges: [[{ subnet: FOUR }, { subnet: "10.9.0.0/24" }]] }, code: 2, says: "both 10.244.1.0/24 and 10.9" },
    { ipam: { ranges: [[{ subnet: FOUR }, { subnet: SIX }]] }, code: 2, says: "one prefix of a family" },
    { ipam: { ranges: [[]] }, code: 7, says: "ipam.ranges.0" },
    { ipam: { ranges: [[{}]] }, code: 7, says: "ipam.ranges.0.0.subnet" },
    { ipam: { subnet: "10.244.1.0" }, code: 7, says: "is not a prefix" },
    { ipam: { subnet: FOUR, rangeStart: "10.244.2.1" }, code: 7, says: "in order and inside 10.244.1.0/24" },
    { ipam: { subnet: FOUR, rangeStart: "10.244.1.9", rangeEnd: "10.244.1.8" }, code: 7, says: "in order" },
  ])("refuses $ipam with code $code", ({ ipam, code, says }) => {
    const attempt = () => read(ipam);
    expect(attempt).toThrow(says);
    expect(attempt).toThrow(expect.toSatisfy((error: unknown) => error instanceof CniError && error.code === code));
  });
});

test("parseConfig() lets the runtime's ranges win over those of ipam, family by family", () => {
  const config = {
    cniVersion: "1.0.0",
    name: "net",
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: FOUR, rangeStart: "10.244.1.9" }], [{ subnet: SIX, rangeEnd: `${SIX.split("/")[0]}ff` }]],
    },
    runtimeConfig: { ipRanges: [[{ subnet: FOUR, rangeStart: "10.244.1.100", rangeEnd: "10.244.1.110" }]] },
  };
  const { runtime } = parseConfig(JSON.stringify(config));
  expect(runtime.ranges.map(printRange)).toEqual(["10.244.1.100-10.244.1.110", "fd00:244:1::-fd00:244:1::ff"]);
  expect(runtime.subnets?.map(printPrefix)).toEqual([FOUR, SIX]);
  const { ipam: _, ...plain } = config;
  expect(parseConfig(JSON.stringify(plain)).runtime).not.toHaveProperty("subnets");
});

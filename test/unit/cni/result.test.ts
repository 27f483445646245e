import { expect, test } from "vitest";
import { printResult } from "../../../cni/result.ts";
import { parseAddress, parseMac } from "../../../net/mod.ts";

const RESULT = {
  interfaces: [
    { name: "ironbr0", mac: parseMac("0a:58:0a:f4:01:01"), mtu: 1500 },
    { name: "eth0", mac: parseMac("0a:58:0a:f4:01:02"), mtu: 1500, sandbox: "/run/netns/p1" },
  ],
  addresses: [
    { address: parseAddress("10.244.1.2"), length: 24, gateway: parseAddress("10.244.1.1") },
    { address: parseAddress("fd00:1::2"), length: 64, gateway: parseAddress("fd00:1::1") },
  ],
  gateways: [parseAddress("10.244.1.1"), parseAddress("fd00:1::1")],
  dns: { nameservers: ["10.96.0.10"] },
};
const COMMON = {
  routes: [
    { dst: "0.0.0.0/0", gw: "10.244.1.1" },
    { dst: "::/0", gw: "fd00:1::1" },
  ],
  dns: { nameservers: ["10.96.0.10"] },
};
const BRIDGE = { name: "ironbr0", mac: "0a:58:0a:f4:01:01" };
const POD = { name: "eth0", mac: "0a:58:0a:f4:01:02", sandbox: "/run/netns/p1" };
const IPV4 = { address: "10.244.1.2/24", gateway: "10.244.1.1", interface: 1 };
const IPV6 = { address: "fd00:1::2/64", gateway: "fd00:1::1", interface: 1 };

test.each(["0.3.1", "0.4.0"] as const)("printResult() names each address' family in %s", (version) => {
  expect(JSON.parse(printResult(RESULT, version))).toEqual({
    cniVersion: version,
    interfaces: [BRIDGE, POD],
    ips: [
      { version: "4", ...IPV4 },
      { version: "6", ...IPV6 },
    ],
    ...COMMON,
  });
});

test("printResult() leaves the family out in 1.0.0", () => {
  expect(JSON.parse(printResult(RESULT, "1.0.0"))).toEqual({
    cniVersion: "1.0.0",
    interfaces: [BRIDGE, POD],
    ips: [IPV4, IPV6],
    ...COMMON,
  });
});

test("printResult() tells the MTU in 1.1.0", () => {
  expect(JSON.parse(printResult(RESULT, "1.1.0"))).toEqual({
    cniVersion: "1.1.0",
    interfaces: [
      { ...BRIDGE, mtu: 1500 },
      { ...POD, mtu: 1500 },
    ],
    ips: [IPV4, IPV6],
    ...COMMON,
  });
});

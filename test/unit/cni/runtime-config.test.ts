import { describe, expect, test } from "vitest";
import { parseRequest } from "../../../cni/request.ts";
import type { RuntimeConfig } from "../../../cni/runtime-config.ts";
import { parseAddress, parseMac, parseRange, printAddress, printMac } from "../../../net/mod.ts";

const ENV = { CNI_COMMAND: "ADD", CNI_CONTAINERID: "c1", CNI_NETNS: "/run/netns/p", CNI_IFNAME: "eth0" };
const ANNOTATIONS = "io.kubernetes.cri.pod-annotations";

function read(config: object, args = ""): RuntimeConfig {
  const stdin = JSON.stringify({ cniVersion: "1.1.0", name: "ironbridge", type: "ironbridge-cni", ...config });
  const request = parseRequest({ env: { ...ENV, CNI_ARGS: args }, stdin });
  if (request.command !== "ADD") throw new Error(request.command);
  return request.config.runtime;
}

describe("runtimeConfig", () => {
  test("asks for nothing when it is absent, empty or null", () => {
    const nothing = { hostPorts: [], addresses: [], ranges: [] };
    expect(read({})).toEqual(nothing);
    expect(read({ runtimeConfig: { portMappings: null, bandwidth: null, ips: null, mac: null } })).toEqual(nothing);
  });

  test("reads host ports", () => {
    const portMappings = [
      { hostPort: 80, containerPort: 8080, protocol: "TCP", hostIP: "" },
      { hostPort: 53, containerPort: 53, protocol: "udp", hostIP: "::1" },
    ];
    expect(read({ runtimeConfig: { portMappings } }).hostPorts).toEqual([
      { protocol: "tcp", hostPort: 80, containerPort: 8080 },
      { protocol: "udp", hostPort: 53, containerPort: 53, hostAddress: parseAddress("::1") },
    ]);
  });

  test("reads names in any case, as containerd writes them", () => {
    const config = {
      portMappings: [{ HostPort: 80, ContainerPort: 8080, Protocol: "tcp", HostIP: "127.0.0.1" }],
      bandwidth: { IngressRate: 5, IngressBurst: 6, EgressRate: 0, EgressBurst: 0 },
      ipRanges: [[{ Subnet: "10.1.0.0/24", RangeStart: "", RangeEnd: "10.1.0.9", Gateway: "" }]],
    };
    expect(read({ runtimeConfig: config })).toEqual({
      hostPorts: [{ protocol: "tcp", hostPort: 80, containerPort: 8080, hostAddress: parseAddress("127.0.0.1") }],
      bandwidth: { ingress: { rate: 5, burst: 6 } },
      addresses: [],
      ranges: [parseRange("10.1.0.0-10.1.0.9")],
    });
  });

  test("reads limits, those of the configuration before the runtime's", () => {
    const limits = { ingressRate: 1e6, ingressBurst: 2 ** 32 - 1 };
    const ingress = { rate: 1e6, burst: 2 ** 32 - 1 };
    expect(read({ runtimeConfig: { bandwidth: limits } }).bandwidth).toEqual({ ingress });
    const own = { egressRate: 5, egressBurst: 5 };
    expect(read({ ...own, runtimeConfig: { bandwidth: limits } }).bandwidth).toEqual({ egress: { rate: 5, burst: 5 } });
    expect(read({ runtimeConfig: { bandwidth: { ingressRate: 0, ingressBurst: 0 } } }).bandwidth).toEqual({});
  });

  test("collects the addresses asked for in four places", () => {
    const { addresses } = read(
      {
        args: { cni: { ips: ["10.0.0.2/24"] } },
        runtimeConfig: { ips: ["10.0.0.1"], [ANNOTATIONS]: { "ironbridge.io/pod-addresses": "fd00::1, fd00::2" } },
      },
      "IP=10.0.0.3",
    );
    expect(addresses.map(printAddress)).toEqual(["10.0.0.1", "fd00::1", "fd00::2", "10.0.0.2", "10.0.0.3"]);
  });

  test("reads ranges", () => {
    const ipRanges = [
      [{ subnet: "10.0.0.0/24", rangeStart: "10.0.0.5", rangeEnd: "10.0.0.9" }],
      [{ subnet: "fd00::/64" }],
    ];
    expect(read({ runtimeConfig: { ipRanges } }).ranges).toEqual([
      parseRange("10.0.0.5-10.0.0.9"),
      parseRange("fd00::/64"),
    ]);
  });

  test("takes the MAC address of the runtime, then of args, then of CNI_ARGS", () => {
    const macs = ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"];
    const runtime = { runtimeConfig: { mac: macs[0] } };
    const args = { args: { cni: { mac: macs[1] } } };
    const shown = (config: object) => printMac(read(config, `MAC=${macs[2]}`).mac ?? parseMac("00:00:00:00:00:00"));
    expect([shown({ ...runtime, ...args }), shown(args), shown({})]).toEqual(macs);
  });

  const refusals: { name: string; config: object; args?: string; says: string }[] = [
    { name: "port 0", config: { portMappings: [{ hostPort: 0, containerPort: 1 }] }, says: "hostPort" },
    {
      name: "a port too large",
      config: { portMappings: [{ hostPort: 1, containerPort: 65536 }] },
      says: "containerPort",
    },
    {
      name: "a burst without a rate",
      config: { bandwidth: { ingressBurst: 5 } },
      says: "ingressRate and ingressBurst",
    },
    { name: "a rate without a burst", config: { bandwidth: { egressRate: 5 } }, says: "egressRate and egressBurst" },
    { name: "a huge burst", config: { bandwidth: { egressRate: 5, egressBurst: 2 ** 35 } }, says: "less than 4 GiB" },
    { name: "a bad address", config: { ips: ["10.0.0"] }, says: '"10.0.0" is not an IP address' },
    {
      name: "a bad annotation",
      config: { [ANNOTATIONS]: { "ironbridge.io/pod-addresses": "x" } },
      says: "pod-addresses",
    },
    { name: "a bad MAC address", config: { mac: "02:00" }, says: "not a MAC address" },
    { name: "a bad subnet", config: { ipRanges: [[{ subnet: "x" }]] }, says: "not a prefix" },
    {
      name: "a range outside its subnet",
      config: { ipRanges: [[{ subnet: "10.0.0.0/24", rangeStart: "10.0.1.0" }]] },
      says: "in order and inside",
    },
    { name: "a bad IP in CNI_ARGS", config: {}, args: "IP=x", says: "CNI_ARGS" },
  ];
  test.each(refusals)("refuses $name", ({ config, args, says }) => {
    expect(() => read({ runtimeConfig: config }, args)).toThrow(says);
  });
});

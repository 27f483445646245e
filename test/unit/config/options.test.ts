import { describe, expect, test } from "vitest";
import {
  AGENT_OPTIONS,
  CONTROLLER_OPTIONS,
  flagsOf,
  readAgentOptions,
  readControllerOptions,
} from "../../../config/mod.ts";
import { hasCode } from "../../../core/mod.ts";
import { parsePrefix } from "../../../net/mod.ts";

describe("readAgentOptions()", () => {
  test("needs nothing but the node's name", () => {
    expect(readAgentOptions({ node: "n1" })).toEqual({
      node: "n1",
      kubeconfig: undefined,
      namespace: undefined,
      apiHost: undefined,
      apiPort: 6443,
      apiServerFile: undefined,
      parts: ["speaker", "proxy", "cni"],
      proxyMode: "nftables",
      detectLocalMode: "cluster-cidr",
      podInterface: undefined,
      masqueradeAll: false,
      masqueradeBit: 14,
      nodePortAddresses: [],
      serviceCidr: [],
      healthzPort: 10256,
      conntrackMaxPerCore: 32_768,
      conntrackMin: 131_072,
      conntrackTcpTimeoutEstablished: 86_400_000,
      conntrackTcpTimeoutCloseWait: 3_600_000,
      conntrackUdpTimeout: 0,
      conntrackUdpTimeoutStream: 0,
      conntrackTcpBeLiberal: false,
      clusterCidr: [],
      stateDir: "/var/lib/ironbridge",
      runDir: "/run/ironbridge",
      cniBinDir: "/opt/cni/bin",
      cniConfDir: "/etc/cni/net.d",
      routingMode: "direct",
      nonMasqueradeCidrs: [],
      podFastPath: "on",
      tunnelPort: 8472,
      adminAddress: { host: "127.0.0.1", port: 10249 },
      memberPort: 7475,
      memberKeyFile: undefined,
      logLevel: "info",
    });
  });

  test("reads lists, whether one text or several flags", () => {
    const want = [parsePrefix("10.244.0.0/16"), parsePrefix("fd00::/56")];
    expect(readAgentOptions({ node: "n", clusterCidr: "10.244.0.0/16, fd00::/56" }).clusterCidr).toEqual(want);
    expect(readAgentOptions({ node: "n", clusterCidr: ["10.244.0.0/16", "fd00::/56"] }).clusterCidr).toEqual(want);
    expect(readAgentOptions({ node: "n", parts: "cni,speaker" }).parts).toEqual(["speaker", "cni"]);
  });

  test("listens for BGP routers only when told, since other programs may have the port", () => {
    expect(readAgentOptions({ node: "n" }).bgpListenPort).toBeUndefined();
    expect(readAgentOptions({ node: "n" }, { IRONBRIDGE_BGP_LISTEN_PORT: "179" }).bgpListenPort).toBe(179);
  });

  test("takes the flag before the environment, the environment before the fallback", () => {
    const environment = { IRONBRIDGE_PROXY_MODE: "iptables", IRONBRIDGE_MEMBER_PORT: "7000" };
    const options = readAgentOptions({ node: "n", memberPort: "8000" }, environment);
    expect(options).toMatchObject({ proxyMode: "iptables", memberPort: 8000 });
  });

  test("counts a variable without text as not set, so that a ConfigMap can hold every key", () => {
    const environment = { IRONBRIDGE_PROXY_MODE: "", IRONBRIDGE_API_HOST: "", IRONBRIDGE_CLUSTER_CIDR: "" };
    expect(readAgentOptions({ node: "n" }, environment)).toEqual(readAgentOptions({ node: "n" }));
  });

  const addresses = [
    ["0.0.0.0:1", { host: "0.0.0.0", port: 1 }],
    ["[::1]:10249", { host: "::1", port: 10249 }],
    [":9000", { host: "::", port: 9000 }],
  ] as const;
  test.each(addresses)("listens on %s", (text, want) => {
    expect(readAgentOptions({ node: "n", adminAddress: text }).adminAddress).toEqual(want);
  });

  const wrong: [flags: Record<string, unknown>, message: string][] = [
    [{}, "--node is required: name of the Node object this agent works for"],
    [{ node: "" }, '--node is "", want a text that is not empty'],
    [{ node: "n", parts: "speaker,router" }, '--parts is "speaker,router", want a list such as speaker,proxy of'],
    [{ node: "n", parts: "cni,cni" }, '--parts is "cni,cni", want'],
    [{ node: "n", parts: "" }, '--parts is "", want'],
    [{ node: "n", proxyMode: "ipvs" }, '--proxy-mode is "ipvs", want one of nftables, iptables'],
    [{ node: "n", clusterCidr: "10.244.0.0" }, '--cluster-cidr is "10.244.0.0", want prefixes'],
    [{ node: "n", stateDir: "state" }, '--state-dir is "state", want an absolute path'],
    [{ node: "n", excludeInterfaces: "^veth,(" }, '--exclude-interfaces is "^veth,(", want regular expressions'],
    [{ node: "n", memberPort: "0" }, '--member-port is "0", want a port from 1 to 65535'],
    [{ node: "n", memberPort: "65536" }, '--member-port is "65536", want a port'],
    [{ node: "n", memberPort: "7e3" }, '--member-port is "7e3", want a port'],
    [{ node: "n", bgpListenPort: "0" }, '--bgp-listen-port is "0", want a port from 1 to 65535'],
    [{ node: "n", adminAddress: "10249" }, '--admin-address is "10249", want an address and a port'],
    [{ node: "n", adminAddress: "localhost:1" }, '--admin-address is "localhost:1", want an address and a port'],
    [{ node: "n", logLevel: "loud" }, '--log-level is "loud", want one of debug, info, warn, error'],
  ];
  test.each(wrong)("refuses %j", (flags, message) => {
    const attempt = () => readAgentOptions(flags);
    expect(attempt).toThrowError(expect.toSatisfy((error: unknown) => hasCode(error, "IB_OPTION_INVALID")));
    expect(attempt).toThrowError(message);
  });

  test("reports every mistake at once", () => {
    expect(() => readAgentOptions({ proxyMode: "x", logLevel: "y" })).toThrowError(
      /--node .*--proxy-mode .*--log-level/,
    );
  });
});

test("readControllerOptions() serves Services without a class unless told", () => {
  expect(readControllerOptions({}).lbClass).toBeUndefined();
  expect(readControllerOptions({ lbClass: "example.com/lb" }).lbClass).toBe("example.com/lb");
});

test.each([
  [{ allocateNodeCidrs: "yes" }, '--allocate-node-cidrs is "yes", want true or false'],
  [{ nodeCidrMaskSizeIpv4: "33" }, '--node-cidr-mask-size-ipv4 is "33", want a prefix length from 0 to 32'],
  [{ nodeCidrMaskSizeIpv6: "129" }, '--node-cidr-mask-size-ipv6 is "129", want a prefix length from 0 to 128'],
])("readControllerOptions() refuses %j", (flags, message) => {
  expect(() => readControllerOptions(flags)).toThrowError(message);
});

test("readControllerOptions() gives nodes no prefixes unless told, and those of kube-controller-manager's sizes then", () => {
  const sizes = { nodeCidrMaskSizeIpv4: 24, nodeCidrMaskSizeIpv6: 64 };
  expect(readControllerOptions({})).toMatchObject({ allocateNodeCidrs: false, clusterCidr: [], ...sizes });
  expect(readControllerOptions({ allocateNodeCidrs: "true" }).allocateNodeCidrs).toBe(true);
});

test("flagsOf() describes every setting for the help", () => {
  expect(flagsOf(AGENT_OPTIONS)).toHaveLength(Object.keys(AGENT_OPTIONS).length);
  expect(flagsOf(CONTROLLER_OPTIONS).find(({ flag }) => flag.startsWith("--lb-class"))).toEqual({
    name: "lb-class",
    flag: "--lb-class <name>",
    variable: "IRONBRIDGE_LB_CLASS",
    help: "serve only Services of this loadBalancerClass; without it, only Services that name no class",
    fallback: undefined,
    choices: undefined,
  });
  expect(flagsOf(AGENT_OPTIONS).find(({ name }) => name === "proxy-mode")?.choices).toEqual(["nftables", "iptables"]);
});

import { describe, expect, test } from "vitest";
import type { Link } from "../../../../linux/mod.ts";
import { parseAddress, parsePrefix } from "../../../../net/mod.ts";
import { excludedPatterns, hostLinks, placeOf } from "../../../../speaker/l2/interfaces.ts";
import { ETHERNET } from "./ethernet.ts";

const link = (more: Partial<Link> = {}): Link => ({ ...ETHERNET, ...more });

const excluded = excludedPatterns();
/** Of Ironbridge: the pods' bridge, the tunnel between nodes, and a pod's link. */
const OWN = ["ironbr0", "ironvx0", "ib0123456789abc"];

describe("hostLinks()", () => {
  const cases: [string, Partial<Link>, boolean][] = [
    ["a plain Ethernet link", {}, true],
    ["a bridge", { name: "br0", kind: "bridge" }, true],
    ["a VLAN", { name: "eth0.100", kind: "vlan" }, true],
    ["a bond", { name: "bond0", kind: "bond" }, true],
    ["a member of a bond", { name: "eth1", master: 7 }, false],
    ["a link that is down", { up: false }, false],
    ["a link without carrier", { carrier: false }, false],
    ["a link without ARP", { noArp: true }, false],
    ["a link without broadcast", { broadcast: false }, false],
    ["InfiniBand", { name: "ib0", mac: new Uint8Array(20) }, false],
    ["loopback", { name: "lo", loopback: true }, false],
    ...["docker0", "veth12ab", "cali1", "cni0", "flannel.1", "lxc_health", "kube-ipvs0", "virbr0", ...OWN].map(
      (name): [string, Partial<Link>, boolean] => [name, { name }, false],
    ),
    ["a name that only holds an excluded one", { name: "mycni0" }, true],
    ["InfiniBand", { name: "ib0" }, true],
  ];
  test.each(cases)("%s", (_, more, want) => {
    expect(hostLinks([link(more)], [], excluded)).toHaveLength(want ? 1 : 0);
  });
});

describe("excludedPatterns()", () => {
  const usable = (patterns: readonly RegExp[], names: readonly string[]) =>
    names.filter((name) => hostLinks([link({ name })], [], patterns).length > 0);

  test("given replace MetalLB's list, but never bring in Ironbridge's own links", () => {
    const names = ["eth0", "eth1", "docker0", ...OWN];
    expect(usable(excludedPatterns(), names)).toEqual(["eth0", "eth1"]);
    expect(usable(excludedPatterns(["^eth0$"]), names)).toEqual(["eth1", "docker0"]);
    expect(usable(excludedPatterns([]), names)).toEqual(["eth0", "eth1", "docker0"]);
  });
});

describe("hostLinks() and addresses", () => {
  test("gives a link's subnets, and whether it speaks IPv6", () => {
    const at = (text: string, length: number, ifindex = 2) => ({ ifindex, address: parseAddress(text), length });
    const addresses = [at("192.0.2.11", 24), at("fe80::1", 64), at("2001:db8::11", 64), at("10.0.0.1", 8, 3)];
    const [host] = hostLinks([link()], addresses, []);
    expect(host?.subnets).toEqual([parsePrefix("192.0.2.0/24"), parsePrefix("2001:db8::/64")]);
    expect(host?.speaksIpv6).toBe(true);
    expect(hostLinks([link()], [at("192.0.2.11", 24)], [])[0]?.speaksIpv6).toBe(false);
  });
});

describe("placeOf()", () => {
  const host = (name: string, ...subnets: string[]) => ({
    ...link({ name }),
    subnets: subnets.map(parsePrefix),
    speaksIpv6: subnets.some((each) => each.includes(":")),
  });
  const LINKS = [
    host("eth0", "192.0.2.0/24"),
    host("eth1", "198.51.100.0/24", "2001:db8::/64"),
    host("ens3", "10.0.0.0/8"),
  ];
  const cases: [string, string, "all" | string[], string[], boolean][] = [
    ["the interface with the subnet", "198.51.100.7", "all", ["eth1"], true],
    ["all when none has the subnet", "203.0.113.1", "all", ["eth0", "eth1", "ens3"], false],
    ["the ones asked for, whatever their subnet", "198.51.100.7", ["eth0", "eth1"], ["eth0", "eth1"], true],
    ["the one asked for, out of its subnet", "198.51.100.7", ["eth0"], ["eth0"], false],
    ["a pattern", "203.0.113.1", ["/^eth\\d$/"], ["eth0", "eth1"], false],
    ["nothing for a name that is not there", "192.0.2.7", ["eth9", "eth"], [], false],
    ["for IPv6 only links that speak it", "2001:db8:1::7", "all", ["eth1"], false],
  ];
  test.each(cases)("gives %s", (_, address, asked, interfaces, inSubnet) => {
    expect(placeOf(parseAddress(address), asked, LINKS)).toEqual({ interfaces, inSubnet });
  });
});

import { describe, expect, test } from "vitest";
import type { Link } from "../../../../linux/mod.ts";
import { facesClients } from "../../../../speaker/l2/interfaces.ts";

const link = (more: Partial<Link> = {}): Link => ({
  index: 2,
  name: "eth0",
  mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  mtu: 1500,
  up: true,
  carrier: true,
  loopback: false,
  broadcast: true,
  noArp: false,
  ...more,
});

describe("facesClients()", () => {
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
    ["loopback", { name: "lo", loopback: true }, false],
    ...["docker0", "veth12ab", "cali1", "cni0", "flannel.1", "lxc_health", "kube-ipvs0", "virbr0", "ib0"].map(
      (name): [string, Partial<Link>, boolean] => [name, { name }, false],
    ),
    ["a name that only holds an excluded one", { name: "mycni0" }, true],
    ["a name that only begins like the pod bridge", { name: "ibm0" }, true],
  ];
  test.each(cases)("%s", (_, more, want) => {
    expect(facesClients(link(more))).toBe(want);
  });
});

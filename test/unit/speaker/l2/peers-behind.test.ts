import { expect, test } from "vitest";
import { parsePrefix } from "../../../../net/mod.ts";
import type { HostLink } from "../../../../speaker/l2/interfaces.ts";
import { peersBehind } from "../../../../speaker/l2/peers-behind.ts";
import { ETH0 } from "./fake-ports.ts";

const link = (name: string, ...subnets: string[]): HostLink => ({ ...ETH0, name, subnets: subnets.map(parsePrefix) });
const LAN = link("eth0", "192.168.1.0/24", "2001:db8::/64");
const OTHER = link("eth1", "10.0.0.0/8");
const peers = ["192.168.1.12", "2001:db8::13", "10.0.0.14", "172.16.0.15"].map((address, i) => ({
  name: `node${i + 2}`,
  address,
}));

test.each<[string, HostLink[], HostLink[], string[]]>([
  ["nobody when no link came", [LAN, OTHER], [OTHER], []],
  ["nobody for a link that changed", [link("eth0"), OTHER], [LAN, OTHER], []],
  ["those on its networks, and those behind a router", [OTHER], [OTHER, LAN], ["node2", "node3", "node5"]],
  ["those on none of ours for a link without an address", [OTHER], [OTHER, link("eth0")], ["node2", "node3", "node5"]],
  ["those behind a router for a network of no member", [LAN, OTHER], [LAN, OTHER, link("eth2")], ["node5"]],
  ["all for all links", [], [LAN, OTHER], ["node2", "node3", "node4", "node5"]],
])("peersBehind() names %s", (_, before, after, names) => {
  expect(peersBehind(before, after, peers)).toEqual(names);
});

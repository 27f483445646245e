import { expect, test } from "vitest";
import { applyTunnelNodes, removeTunnel, type TunnelNode, tunnelMac, tunnelMtu } from "../../../cni/tunnel.ts";
import { findUplink } from "../../../cni/uplink.ts";
import { fakeRtnetlink } from "../../../linux/mod.ts";
import { parseAddress, parsePrefix, printAddress, printMac } from "../../../net/mod.ts";

const LOCAL = parseAddress("192.0.2.1");

function withTunnel() {
  const kernel = fakeRtnetlink();
  const peer = { name: "p", netns: { fd: -1, path: "/run/netns/p", close() {} } };
  const { index: underlay } = kernel.createVeth({ name: "eth0", mtu: 1500, peer });
  kernel.addAddress({ ifindex: underlay, address: LOCAL, length: 24 });
  const options = { name: "ironvx0", mac: tunnelMac("a"), mtu: 1450, vni: 7373, port: 8472, local: LOCAL, underlay };
  return { kernel, underlay, index: kernel.createVxlan(options) };
}

test("findUplink() takes the first address of the node that an interface has", () => {
  const { kernel, underlay } = withTunnel();
  const missing = parseAddress("203.0.113.9");
  expect(findUplink(kernel, [missing, LOCAL])).toEqual({
    ifindex: underlay,
    mtu: 1500,
    address: LOCAL,
    connected: [parsePrefix("192.0.2.0/24")],
  });
  expect(findUplink(kernel, [missing])).toBeUndefined();
});

test("tunnelMtu() leaves room for the headers of the outer family", () => {
  const uplink = { ifindex: 1, mtu: 1500, connected: [] };
  expect(tunnelMtu({ ...uplink, address: LOCAL })).toBe(1450);
  expect(tunnelMtu({ ...uplink, address: parseAddress("2001:db8::1") })).toBe(1430);
});

test("applyTunnelNodes() tells the device of new nodes, of moved ones, and of those that left", () => {
  const { kernel, index } = withTunnel();
  const node = (name: string, remote: string, end: string): TunnelNode => ({
    mac: tunnelMac(name),
    remote: parseAddress(remote),
    ends: [parseAddress(end)],
  });
  const told = () => [
    kernel.tunnelPeers(index).map(({ mac, remote }) => `${printMac(mac)} ${printAddress(remote)}`),
    kernel.neighbours(index).map(({ mac, address }) => `${printAddress(address)} ${printMac(mac)}`),
  ];
  const mac = (name: string) => printMac(tunnelMac(name));
  applyTunnelNodes(kernel, index, [node("b", "192.0.2.2", "10.244.2.0"), node("c", "192.0.2.3", "10.244.3.0")]);
  expect(told()).toEqual([
    [`${mac("b")} 192.0.2.2`, `${mac("c")} 192.0.2.3`],
    [`10.244.2.0 ${mac("b")}`, `10.244.3.0 ${mac("c")}`],
  ]);
  applyTunnelNodes(kernel, index, [node("c", "192.0.2.33", "10.244.3.0")]);
  expect(told()).toEqual([[`${mac("c")} 192.0.2.33`], [`10.244.3.0 ${mac("c")}`]]);
});

test("applyTunnelNodes() goes on after a refusal and names it", () => {
  const { kernel, index } = withTunnel();
  const refuse = () => {
    throw new Error("no memory");
  };
  const nodes = [{ mac: tunnelMac("b"), remote: LOCAL, ends: [parseAddress("10.244.2.0")] }];
  const refusing = new Proxy(kernel, {
    get: (target, name) => (name === "replaceTunnelPeer" ? refuse : Reflect.get(target, name).bind(target)),
  });
  expect(applyTunnelNodes(refusing, index, nodes)).toEqual(["tunnel to 192.0.2.1: no memory"]);
  expect(kernel.neighbours(index)).toHaveLength(1);
});

test("removeTunnel() takes the device away, and nothing of another kind", () => {
  const { kernel } = withTunnel();
  removeTunnel(kernel);
  removeTunnel(kernel);
  expect(kernel.link("ironvx0")).toBeUndefined();
});

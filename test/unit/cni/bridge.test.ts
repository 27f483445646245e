import { beforeEach, describe, expect, test } from "vitest";
import { hostLinkName } from "../../../cni/attachment.ts";
import { applyBridge } from "../../../cni/bridge.ts";
import { type FakeRtnetlink, fakeRtnetlink } from "../../../linux/mod.ts";
import { BRIDGE_NAME, parseAddress, parsePrefix, printAddress, printMac } from "../../../net/mod.ts";

let kernel: FakeRtnetlink;
beforeEach(() => {
  kernel = fakeRtnetlink();
});

const lease = (containerId: string, address: string) => ({
  key: { containerId, ifname: "eth0" },
  network: "ironbridge",
  hostPorts: [],
  netns: `/run/netns/${containerId}`,
  addresses: [parseAddress(address)],
  complete: true,
});
const apply = (prefixes: readonly string[], leases: ReturnType<typeof lease>[] = [], mtu = 1500) =>
  applyBridge(kernel, { prefixes: prefixes.map(parsePrefix), mtu, leases });
const gateways = () => kernel.addresses().map(({ address, length }) => `${printAddress(address)}/${length}`);

describe("applyBridge()", () => {
  test("makes a bridge with the first address of each prefix and a MAC address of its own", () => {
    const bridge = apply(["10.244.1.0/24", "fd00:1::/64"]);
    expect(kernel.link(BRIDGE_NAME)).toMatchObject({ kind: "bridge", up: true, mtu: 1500, index: bridge.index });
    expect(printMac(bridge.mac)).toBe("0a:58:0a:f4:01:01");
    expect(gateways()).toEqual(["10.244.1.1/24", "fd00:1::1/64"]);
  });

  test("follows the MTU, and puts back what was taken away", () => {
    const { index } = apply(["10.244.1.0/24"]);
    kernel.setLink(index, { up: false });
    kernel.deleteAddress(kernel.addresses()[0]!);
    expect(apply(["10.244.1.0/24"], [], 1400).mtu).toBe(1400);
    expect(kernel.link(BRIDGE_NAME)).toMatchObject({ up: true, mtu: 1400 });
    expect(gateways()).toEqual(["10.244.1.1/24"]);
  });

  test("removes the gateway of an earlier prefix once no pod has an address beside it", () => {
    apply(["10.244.1.0/24"]);
    apply(["10.244.9.0/24"], [lease("a", "10.244.1.7")]);
    expect(gateways()).toEqual(["10.244.1.1/24", "10.244.9.1/24"]);
    apply(["10.244.9.0/24"], []);
    expect(gateways()).toEqual(["10.244.9.1/24"]);
  });

  test("leaves the kernel's own link-local address", () => {
    const { index } = apply(["fd00:1::/64"]);
    kernel.addAddress({ ifindex: index, address: parseAddress("fe80::1"), length: 64 });
    apply(["fd00:1::/64"]);
    expect(gateways()).toEqual(["fd00:1::1/64", "fe80::1/64"]);
  });

  test("puts pods into a bridge made anew, with hairpin", () => {
    const pod = lease("a", "10.244.1.7");
    const { index } = apply(["10.244.1.0/24"]);
    const netns = { fd: -1, path: pod.netns, close() {} };
    const { index: port } = kernel.createVeth({
      name: hostLinkName(pod.key),
      mtu: 1500,
      peer: { name: "eth0", netns },
    });
    kernel.deleteLink(index);
    const next = apply(["10.244.1.0/24"], [pod]);
    expect(kernel.links().find((link) => link.index === port)).toMatchObject({ master: next.index, up: true });
    expect(kernel.hairpins.has(port)).toBe(true);
  });

  test("refuses an interface of another kind that has the bridge's name", () => {
    const netns = { fd: -1, path: "/run/netns/x", close() {} };
    kernel.createVeth({ name: BRIDGE_NAME, mtu: 1500, peer: { name: "x", netns } });
    expect(() => apply(["10.244.1.0/24"])).toThrow(
      "the interface ironbr0 is a veth, not a bridge; rename or remove it",
    );
  });
});

import { expect, test } from "vitest";
import { renameEarlierLinks } from "../../../cni/earlier-names.ts";
import { fakeRtnetlink } from "../../../linux/mod.ts";
import { parseAddress, parseMac } from "../../../net/mod.ts";

const MAC = parseMac("0a:58:0a:f4:01:01");
const names = (kernel: ReturnType<typeof fakeRtnetlink>) => kernel.links().map(({ name, up }) => `${name} ${up}`);

function tunnel(kernel: ReturnType<typeof fakeRtnetlink>, vni: number): void {
  const underlay = kernel.link("lo")!.index;
  const local = parseAddress("192.168.1.11");
  kernel.createVxlan({ name: "ibvx0", mac: MAC, mtu: 1450, vni, port: 8472, local, underlay });
}

test("renameEarlierLinks() renames the bridge and the tunnel of an earlier version, and they are up", () => {
  const kernel = fakeRtnetlink();
  const bridge = kernel.createBridge({ name: "ib0", mac: MAC, mtu: 1500 });
  tunnel(kernel, 7373);
  renameEarlierLinks(kernel);
  expect(names(kernel).slice(1)).toEqual(["ironbr0 true", "ironvx0 true"]);
  expect(kernel.link("ironbr0")!.index).toBe(bridge);
  renameEarlierLinks(kernel);
  expect(names(kernel)).toHaveLength(3);
});

test("renameEarlierLinks() leaves an InfiniBand interface, others' tunnels, and both when there are two", () => {
  const kernel = fakeRtnetlink();
  kernel.createIfb({ name: "ib0", mtu: 1500 });
  tunnel(kernel, 1);
  renameEarlierLinks(kernel);
  expect(names(kernel).slice(1)).toEqual(["ib0 false", "ibvx0 false"]);

  const both = fakeRtnetlink();
  both.createBridge({ name: "ib0", mac: MAC, mtu: 1500 });
  both.createBridge({ name: "ironbr0", mac: MAC, mtu: 1500 });
  renameEarlierLinks(both);
  expect(both.links().map(({ name }) => name)).toEqual(["lo", "ib0", "ironbr0"]);
});

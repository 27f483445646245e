import { expect, test, vi } from "vitest";
import { kernelView } from "../../../cni/kernel-view.ts";
import { fakeRtnetlink } from "../../../linux/mod.ts";
import { parseAddress, parseMac } from "../../../net/mod.ts";

const MAC = parseMac("02:00:00:00:00:01");

test("kernelView() lists links and addresses once, and again after its own changes", () => {
  const kernel = fakeRtnetlink();
  const [links, addresses] = [vi.spyOn(kernel, "links"), vi.spyOn(kernel, "addresses")];
  const view = kernelView(kernel);
  expect([view.link("lo")?.index, view.link("br0"), view.links().length, view.addresses()]).toEqual([
    1,
    undefined,
    1,
    [],
  ]);
  view.addresses();
  view.routes();
  expect([links.mock.calls.length, addresses.mock.calls.length]).toEqual([1, 1]);

  const index = view.createBridge({ name: "br0", mac: MAC, mtu: 1500 });
  view.addAddress({ ifindex: index, address: parseAddress("10.0.0.1"), length: 24 });
  expect([view.link("br0")?.index, view.addresses().length]).toEqual([index, 1]);
});

test("kernelView() does not see what others change meanwhile", () => {
  const kernel = fakeRtnetlink();
  const view = kernelView(kernel);
  view.links();
  kernel.createBridge({ name: "br0", mac: MAC, mtu: 1500 });
  expect([view.link("br0"), kernelView(kernel).link("br0")?.kind]).toEqual([undefined, "bridge"]);
});

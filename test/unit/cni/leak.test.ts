import { expect, test } from "vitest";
import { hostLinkName } from "../../../cni/attachment.ts";
import { leakFinder } from "../../../cni/leak.ts";
import type { Lease } from "../../../cni/lease-store.ts";
import { fakeRtnetlink } from "../../../linux/mod.ts";

const lease = (containerId: string, changes: Partial<Lease> = {}): Lease => ({
  key: { containerId, ifname: "eth0" },
  network: "ironbridge",
  netns: `/run/netns/${containerId}`,
  hostPorts: [],
  addresses: [],
  complete: true,
  ...changes,
});

test("leakFinder() finds a pod whose interface and namespace are both gone, after it was so for a while", () => {
  const kernel = fakeRtnetlink();
  const netns = { fd: -1, path: "/run/netns/linked", close() {} };
  const name = hostLinkName({ containerId: "linked", ifname: "eth0" });
  kernel.createVeth({ name, mtu: 1500, hairpin: false, peer: { name: "eth0", netns } });
  const leases = [lease("lost"), lease("linked"), lease("open"), lease("new", { complete: false })];
  const present = new Set(["/run/netns/open"]);
  const find = leakFinder((path) => present.has(path));
  const at = (now: number) => find(leases, kernel.links(), now).map(({ key }) => key.containerId);
  expect(at(0)).toEqual([]);
  expect(at(19_999)).toEqual([]);
  expect(at(20_000)).toEqual(["lost"]);
});

test("leakFinder() begins again with a pod that was seen in between", () => {
  const present = new Set<string>();
  const find = leakFinder((path) => present.has(path));
  const at = (now: number) => find([lease("a")], [], now).length;
  expect(at(0)).toBe(0);
  present.add("/run/netns/a");
  expect(at(10_000)).toBe(0);
  present.clear();
  expect([at(20_000), at(39_999), at(40_000)]).toEqual([0, 0, 1]);
});

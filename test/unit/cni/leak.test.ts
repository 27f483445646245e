import { beforeEach, describe, expect, test } from "vitest";
import { hostLinkName } from "../../../cni/attachment.ts";
import { leakFinder } from "../../../cni/leak.ts";
import { type Lease, UNKNOWN_NETNS } from "../../../cni/lease-store.ts";
import { type FakeRtnetlink, fakeRtnetlink } from "../../../linux/mod.ts";
import { parseMac } from "../../../net/mod.ts";

let kernel: FakeRtnetlink;
let bridge: number;
beforeEach(() => {
  kernel = fakeRtnetlink();
  bridge = kernel.createBridge({ name: "ironbr0", mac: parseMac("0a:58:0a:f4:01:01"), mtu: 1500 });
});

const keyOf = (containerId: string) => ({ containerId, ifname: "eth0" });
const lease = (containerId: string, changes: Partial<Lease> = {}): Lease => ({
  key: keyOf(containerId),
  network: "ironbridge",
  netns: `/run/netns/${containerId}`,
  hostPorts: [],
  addresses: [],
  complete: true,
  ...changes,
});

/** The node's end of a pod, in the bridge. */
function addPort(name: string): void {
  const netns = { fd: -1, path: `/run/netns/of-${name}`, close() {} };
  kernel.createVeth({ name, mtu: 1500, master: bridge, peer: { name: "eth0", netns } });
}

/** Looks at the node again and again; gives what is lost at each time (ms). */
function finder(leases: readonly Lease[], namespaces: ReadonlySet<string>, results: ReadonlySet<string> = new Set()) {
  const find = leakFinder((path) => namespaces.has(path));
  const remembered = () => results;
  return (now: number) => find({ leases, links: kernel.links(), remembered, now }).map(({ key }) => key.containerId);
}

test("leakFinder() finds a pod whose interface and namespace are both gone, after it was so for a while", () => {
  addPort(hostLinkName(keyOf("linked")));
  const leases = [lease("lost"), lease("linked"), lease("new", { complete: false })];
  const at = finder(leases, new Set(), new Set(["lost/eth0"]));
  expect(at(0)).toEqual([]);
  expect(at(19_999)).toEqual([]);
  expect(at(20_000)).toEqual(["lost"]);
});

test("leakFinder() finds a pod without interface that the runtime forgot, though its namespace is there", () => {
  const leases = [lease("forgotten"), lease("remembered")];
  const namespaces = new Set(leases.map(({ netns }) => netns));
  const at = finder(leases, namespaces, new Set(["remembered/eth0"]));
  expect([at(0), at(20_000)]).toEqual([[], ["forgotten"]]);
});

test("leakFinder() leaves a pod alone whose interface is there, though nobody remembers it", () => {
  addPort(hostLinkName(keyOf("linked")));
  const at = finder([lease("linked")], new Set());
  expect([at(0), at(20_000)]).toEqual([[], []]);
});

test("leakFinder() begins again with a pod that was seen in between", () => {
  const present = new Set<string>();
  const at = finder([lease("a")], present, new Set(["a/eth0"]));
  expect(at(0)).toEqual([]);
  present.add("/run/netns/a");
  expect(at(10_000)).toEqual([]);
  present.clear();
  expect([at(20_000), at(39_999), at(40_000)]).toEqual([[], [], ["a"]]);
});

describe("leakFinder() and a pod of other plugins whose interface is unknown", () => {
  const taken = (containerId: string, changes: Partial<Lease> = {}) =>
    lease(containerId, { chained: true, netns: UNKNOWN_NETNS, ...changes });

  test("it may be any port of the bridge that no other pod has", () => {
    addPort("veth1");
    const at = finder([taken("a"), taken("b")], new Set([UNKNOWN_NETNS]));
    expect([at(0), at(20_000)]).toEqual([[], []]);
  });

  test("it is lost when all ports are others' and the runtime does not remember it", () => {
    addPort("veth1");
    addPort(hostLinkName(keyOf("ours")));
    const leases = [taken("a"), taken("remembered"), taken("b", { link: "veth1" }), lease("ours")];
    const at = finder(leases, new Set([UNKNOWN_NETNS]), new Set(["remembered/eth0"]));
    expect([at(0), at(20_000)]).toEqual([[], ["a"]]);
  });

  test("it lives as long as its namespace where that is known", () => {
    const at = finder(
      [taken("a", { netns: "/run/netns/a" }), taken("b", { netns: "/run/netns/b" })],
      new Set(["/run/netns/a"]),
    );
    expect([at(0), at(20_000)]).toEqual([[], ["b"]]);
  });
});

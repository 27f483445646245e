import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { attach } from "../../../cni/attach.ts";
import { hostLinkName } from "../../../cni/attachment.ts";
import { applyBridge } from "../../../cni/bridge.ts";
import { check } from "../../../cni/check.ts";
import { collectGarbage, detach } from "../../../cni/detach.ts";
import { hostPorts } from "../../../cni/host-ports.ts";
import { Ipam } from "../../../cni/ipam.ts";
import { LeaseStore } from "../../../cni/lease-store.ts";
import { linkRemover } from "../../../cni/link-remover.ts";
import { type PodHost, setPodMtu } from "../../../cni/pod-host.ts";
import { NO_RUNTIME_CONFIG } from "../../../cni/runtime-config.ts";
import { type FakeNft, type FakeRtnetlink, fakeNft, fakeRtnetlink, type Rtnetlink } from "../../../linux/mod.ts";
import { parsePrefix, printAddress, printMac, printPrefix } from "../../../net/mod.ts";

const PREFIXES = [parsePrefix("10.244.1.0/24")];
const CONFIG = { cniVersion: "1.1.0", name: "ironbridge", dns: {}, runtime: NO_RUNTIME_CONFIG } as const;
const NO_FLOWS = { flows: () => [], remove: () => {} };
const POD = "/run/netns/p1";
const KEY = { containerId: "c1", ifname: "eth0" };

let kernel: FakeRtnetlink;
let nft: FakeNft;
let store: LeaseStore;
let host: PodHost;
/** The links that were made ready for the short way, and whether they were up then. */
let prepared: [ifindex: number, up: boolean | undefined][];

beforeEach(() => {
  kernel = fakeRtnetlink();
  nft = fakeNft();
  prepared = [];
  store = new LeaseStore(":memory:", "boot-1");
  host = hostOn(kernel);
});
afterEach(() => store.close());

function hostOn(links: Rtnetlink, podKernel = (path: string): Rtnetlink => kernel.inNetns(path)): PodHost {
  const ipam = new Ipam(store);
  ipam.setNetwork({ prefixes: PREFIXES, addresses: [] });
  const bridge = applyBridge(kernel, { prefixes: PREFIXES, mtu: 1400, leases: [] });
  const openPod = (path: string) => ({ netns: { fd: -1, path, close() {} }, kernel: podKernel(path), close() {} });
  const ports = hostPorts({ nft: async () => nft, conntrack: NO_FLOWS, addresses: () => [] }, ipam.list());
  const news = { exists: () => true, watchRemovals: () => ({ close() {} }) };
  const removeLink = linkRemover(kernel, news).remove;
  const preparePort = (index: number) =>
    prepared.push([index, kernel.links().find((link) => link.index === index)?.up]);
  return { kernel: links, ipam, bridge, openPod, removeLink, preparePort, hostPorts: ports };
}

const add = (on: PodHost = host, key = KEY, netns = POD) => attach(on, { command: "ADD", config: CONFIG, key, netns });

describe("attach()", () => {
  test("gives both ends the smaller MTU asked for, remembers it, and refuses one that the node has no room for", async () => {
    const asking = (mtu: number) => attach(host, { command: "ADD", config: { ...CONFIG, mtu }, key: KEY, netns: POD });
    await expect(asking(1401)).rejects.toMatchObject({ code: 7, message: expect.stringContaining("1400") });
    const { interfaces } = await asking(1300);
    expect(interfaces.map(({ mtu }) => mtu)).toEqual([1400, 1300, 1300]);
    expect(kernel.link(hostLinkName(KEY))?.mtu).toBe(1300);
    expect(kernel.inNetns(POD).link("eth0")?.mtu).toBe(1300);
    const lease = store.get(KEY)!;
    for (const [node, pod] of [
      [1500, 1300],
      [1290, 1290],
    ] as const) {
      expect(setPodMtu(host, lease, node)).toBeUndefined();
      expect([kernel.link(hostLinkName(KEY))?.mtu, kernel.inNetns(POD).link("eth0")?.mtu]).toEqual([pod, pod]);
    }
  });

  test("makes a port with hairpin, and a pod with address, gateway, loopback and a MAC of its address", async () => {
    const result = await add();
    const port = kernel.link(hostLinkName(KEY))!;
    const pod = kernel.inNetns(POD);
    const eth0 = pod.link("eth0")!;
    expect([port.up, port.master, port.mtu, kernel.hairpins.has(port.index)]).toEqual([
      true,
      host.bridge.index,
      1400,
      true,
    ]);
    expect([eth0.up, eth0.mtu, printMac(eth0.mac), pod.link("lo")?.up]).toEqual([
      true,
      1400,
      "0a:58:0a:f4:01:02",
      true,
    ]);
    expect(pod.addresses().map(({ address, length }) => `${printAddress(address)}/${length}`)).toEqual([
      "10.244.1.2/24",
    ]);
    expect(pod.routes().map(({ destination }) => printPrefix(destination))).toContain("0.0.0.0/0");
    expect(result.interfaces.map(({ name, sandbox }) => [name, sandbox])).toEqual([
      ["ironbr0", undefined],
      [port.name, undefined],
      ["eth0", POD],
    ]);
    expect(store.get(KEY)?.complete).toBe(true);
  });

  test("has the port made ready for the short way before it is up, if packets of the pod may take it", async () => {
    await add();
    expect(prepared).toEqual([[kernel.link(hostLinkName(KEY))?.index, false]]);
    const key = { containerId: "c2", ifname: "eth0" };
    const limited = { ...NO_RUNTIME_CONFIG, bandwidth: { egress: { rate: 1e6, burst: 1e6 } } };
    await attach(host, { command: "ADD", config: { ...CONFIG, runtime: limited }, key, netns: "/run/netns/p2" });
    expect(prepared).toHaveLength(1);
  });

  test("replaces a port that an agent with a lost store left behind", async () => {
    const peer = { name: "old0", netns: { fd: -1, path: "/run/netns/old", close() {} } };
    kernel.createVeth({ name: hostLinkName(KEY), mtu: 1400, peer });
    await add();
    expect(kernel.inNetns(POD).link("eth0")).toBeDefined();
  });

  test("refuses a pod that has the interface already, and leaves it alone", async () => {
    const peer = { name: "eth0", netns: { fd: -1, path: POD, close() {} } };
    const { index } = kernel.createVeth({ name: hostLinkName(KEY), mtu: 1400, peer });
    await expect(add()).rejects.toThrow(`the namespace ${POD} has an interface eth0 already`);
    expect(kernel.link(hostLinkName(KEY))?.index).toBe(index);
    expect(store.list()).toEqual([]);
    expect(host.ipam.usage()[0]?.used).toBe(0);
  });

  test("takes everything back, whichever step the kernel refuses", async () => {
    /** Passes calls on until the one of number `last`, which fails. */
    const failing = (real: Rtnetlink, countdown: { left: number }): Rtnetlink =>
      new Proxy(real, {
        get: (target, name: keyof Rtnetlink) => {
          const method = target[name] as (...args: unknown[]) => unknown;
          return (...args: unknown[]) => {
            const undoing = name === "deleteLink" || (name === "link" && countdown.left <= 0);
            if (!undoing && countdown.left-- === 1) throw new Error(`refused ${name}`);
            return method.apply(target, args);
          };
        },
      });
    const refused: string[] = [];
    for (let step = 1; ; step++) {
      const countdown = { left: step };
      const broken = hostOn(failing(kernel, countdown), (path) => failing(kernel.inNetns(path), countdown));
      try {
        await add(broken);
        break; // there are fewer calls than `step`
      } catch (error) {
        refused.push((error as Error).message);
        expect(kernel.links().map(({ name }) => name)).toEqual(["lo", "ironbr0"]);
        expect(kernel.inNetns(POD).link("eth0")).toBeUndefined();
        expect(store.list()).toEqual([]);
        expect(broken.ipam.usage()[0]?.used).toBe(0);
      }
    }
    const kernelSteps = ["createVeth", "setLink", "bringUp", "replaceRoute"].map((name) => `refused ${name}`);
    expect(refused).toEqual(expect.arrayContaining(kernelSteps));
  });
});

describe("detach()", () => {
  test("keeps the address as long as the kernel keeps the interface", async () => {
    await add();
    const removeLink = () => Promise.reject(new Error("busy"));
    await expect(detach({ ...host, removeLink }, KEY)).rejects.toThrow("busy");
    expect(store.get(KEY)).toBeDefined();
    await detach(host, KEY);
    expect(store.get(KEY)).toBeUndefined();
    expect(kernel.inNetns(POD).link("eth0")).toBeUndefined();
    await detach(host, KEY);
  });
});

test("collectGarbage() goes on after a failure and names it", async () => {
  const keys = ["c1", "c2", "c3"].map((containerId) => ({ containerId, ifname: "eth0" }));
  for (const key of keys) await add(host, key, `/run/netns/${key.containerId}`);
  const removeLink = async (name: string) => {
    if (name === hostLinkName(keys[0]!)) throw new Error("busy");
    await host.removeLink(name);
  };
  await expect(collectGarbage({ ...host, removeLink }, "ironbridge", [keys[2]!])).rejects.toThrow("c1/eth0: busy");
  expect(host.ipam.list().map(({ key }) => key.containerId)).toEqual(["c1", "c3"]);
  expect(await collectGarbage(host, "ironbridge", [keys[2]!])).toEqual(["c1/eth0"]);
  expect(await collectGarbage(host, "another", [])).toEqual([]);
});

test("check() finds a pod taken out of the bridge", async () => {
  await add();
  const prev = { interfaces: [], ips: [{ address: "10.244.1.2/24" }] };
  const request = { command: "CHECK", config: CONFIG, key: KEY, netns: POD, prev } as const;
  await check(host, request);
  await expect(check(host, { ...request, prev: { interfaces: [], ips: [] } })).rejects.toThrow(
    "prevResult lacks the address 10.244.1.2",
  );
  kernel.setLink(kernel.link(hostLinkName(KEY))!.index, { master: 0 });
  await expect(check(host, request)).rejects.toThrow(`interface ${hostLinkName(KEY)} is not in ironbr0`);
});

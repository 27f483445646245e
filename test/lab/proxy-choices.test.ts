import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { fakeStore, type V1ServiceCIDR } from "../../kube/mod.ts";
import { parsePrefix } from "../../net/mod.ts";
import type { ProxyOptions } from "../../proxy/mod.ts";
import {
  ADDRESSES,
  createProxyLab,
  HOMES,
  type Home,
  type ProxyLab,
  podSlice,
  type RunningProxy,
  webService,
} from "./support/proxy-lab.ts";

let lab: ProxyLab;
let running: RunningProxy;

beforeAll(async () => {
  lab = await createProxyLab();
});
afterAll(() => lab.remove());
afterEach(() => running.stop());

const GATEWAY = "10.244.1.1";
const { node, pod1, client } = { node: ADDRESSES.node.ipv4, pod1: ADDRESSES.pod1.ipv4, client: ADDRESSES.client.ipv4 };

describe.each(HOMES)("%s", (home) => {
  async function start(choices: Partial<ProxyOptions>, spec: Parameters<typeof webService>[0] = {}): Promise<void> {
    lab.stores.services.set(webService(spec));
    lab.stores.slices.set(podSlice("ipv4", { pod2: {} }));
    running = await lab.start(home, choices);
  }

  test("masqueradeAll masquerades pods too, with the bit that was chosen", async () => {
    await start({ masqueradeAll: true, masqueradeBit: 31 });
    expect(await lab.hosts.pod1.ask("10.96.0.10", 80)).toBe(`pod2 ${GATEWAY}`);
    expect(await lab.hosts.client.ask("192.168.1.100", 80)).toBe(`pod2 ${GATEWAY}`);
  });

  test.each([
    { mode: "bridge-interface", name: "pods0" },
    { mode: "interface-name-prefix", name: "pod" },
  ] as const)("pods are told by their link: $mode", async (podDetection) => {
    await start({ podDetection, clusterCidrs: [] }, { externalTrafficPolicy: "Local" });
    expect(await lab.hosts.pod1.ask("10.96.0.10", 80)).toBe(`pod2 ${pod1}`);
    expect(await lab.hosts.pod1.ask("192.168.1.100", 80)).toBe(`pod2 ${pod1}`);
    expect(await lab.hosts.client.ask("10.96.0.10", 80)).toBe(`pod2 ${GATEWAY}`);
    expect(await lab.hosts.node.ask("10.96.0.10", 80)).toBe(`pod2 ${GATEWAY}`);
    expect(await lab.hosts.client.ask("192.168.1.100", 80)).toBe(`pod2 ${client}`);
  });

  test("pods are told by the node's prefixes, once it has some", async () => {
    const before = lab.stores.nodes.get("node1")!;
    lab.stores.nodes.set({ ...before, spec: { podCIDRs: ["10.99.0.0/24"] } });
    await start({ podDetection: { mode: "node-cidr" } });
    expect(await lab.hosts.pod1.ask("10.96.0.10", 80)).toBe(`pod2 ${GATEWAY}`);
    lab.stores.nodes.set({ ...before, spec: { podCIDRs: ["10.244.1.0/24"] } });
    await running.settled();
    expect(await lab.hosts.pod1.ask("10.96.0.10", 80)).toBe(`pod2 ${pod1}`);
    lab.stores.nodes.set(before);
  });

  test("node ports are on the addresses chosen, localhost among them, and the node's others are its own", async () => {
    await lab.run("ip", "addr", "add", "192.0.2.1/32", "dev", "lo");
    await start({ nodePortAddresses: ["127.0.0.0/8", "192.0.2.0/24"].map(parsePrefix) });
    expect(await lab.hosts.node.ask("127.0.0.1", 30080)).toBe(`pod2 ${GATEWAY}`);
    expect(await lab.hosts.node.ask("192.0.2.1", 30080)).toBe(`pod2 ${GATEWAY}`);
    expect(await lab.hosts.client.ask(node, 30080)).toBe("refused");
    // An address that comes later is used as well.
    await lab.run("ip", "addr", "add", "192.0.2.2/32", "dev", "lo");
    const deadline = performance.now() + 2000;
    while ((await lab.hosts.node.ask("192.0.2.2", 30080)) === "refused" && performance.now() < deadline);
    expect(await lab.hosts.node.ask("192.0.2.2", 30080)).toBe(`pod2 ${GATEWAY}`);
    await lab.run("ip", "addr", "flush", "to", "192.0.2.0/24", "dev", "lo");
  });

  test("cluster IPs that no Service has are dropped", async () => {
    const cidrs = fakeStore<V1ServiceCIDR>([serviceCidr("other", "10.97.0.0/16")]);
    await start({ serviceCidrs: ["10.96.0.0/16", "fd00:96::/112"].map(parsePrefix), cidrs });
    expect(await lab.run(...listing(home))).not.toContain("10.97.0.0/16"); // what was chosen wins
    expect(await lab.hosts.pod1.ask("10.96.77.77", 80, { timeout: 300 })).toBe("silent");
    expect(await lab.hosts.pod1.ask("fd00:96::77", 80, { timeout: 300 })).toBe("silent");
    expect(await lab.hosts.pod1.ask("10.96.0.10", 81)).toBe("refused");
    expect(await lab.hosts.pod1.ask("10.96.0.10", 80)).toBe(`pod2 ${pod1}`);
  });

  test("cluster IPs that no Service has are dropped in the ranges that the cluster names, which may change", async () => {
    const cidrs = fakeStore<V1ServiceCIDR>([serviceCidr("kubernetes", "10.96.0.0/24")]);
    await start({ cidrs });
    const asked = ["10.96.0.77", "10.96.1.77", "fd00:96::77"];
    // What is not dropped is routed away, to somebody who refuses it.
    for (const host of asked) await lab.on("client", "ip", "route", "add", "local", host, "dev", "lo");
    const answers = () => Promise.all(asked.map((host) => lab.hosts.node.ask(host, 80, { timeout: 300 })));
    try {
      await expect.poll(answers, { timeout: 2000 }).toEqual(["silent", "refused", "refused"]);
      cidrs.set(serviceCidr("more", "10.96.1.0/24", "fd00:96::/112"));
      await expect.poll(answers, { timeout: 2000 }).toEqual(["silent", "silent", "silent"]);
      cidrs.remove("kubernetes");
      await expect.poll(answers, { timeout: 2000 }).toEqual(["refused", "silent", "silent"]);
      expect(await lab.hosts.pod1.ask("10.96.0.10", 80)).toBe(`pod2 ${pod1}`);
    } finally {
      for (const host of asked) await lab.on("client", "ip", "route", "del", "local", host, "dev", "lo");
    }
  });
});

function serviceCidr(name: string, ...cidrs: string[]): V1ServiceCIDR {
  return { metadata: { name }, spec: { cidrs } };
}

/** Prints the rules of IPv4. */
function listing(home: Home): [program: string, ...args: string[]] {
  return home === "nftables" ? ["nft", "list", "table", "ip", "ironbridge-proxy"] : [`${home}-save`, "-t", "filter"];
}

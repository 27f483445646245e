import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { V1Service } from "../../kube/mod.ts";
import {
  ADDRESSES,
  createProxyLab,
  HOMES,
  type HostName,
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

const VIP = { ipv4: "192.168.1.100", ipv6: "fd00:1::100" };
const CLUSTER_IP = { ipv4: "10.96.0.10", ipv6: "fd00:96::10" };
const FAMILIES = ["ipv4", "ipv6"] as const;
/** Chance that 12 connections spread at random over three endpoints all go to one: 1 of 177,147. */
const TRIES = 12;

async function given(service: V1Service, pods: readonly HostName[]): Promise<void> {
  lab.stores.services.set(service);
  const endpoints = Object.fromEntries(pods.map((pod) => [pod, {}]));
  for (const family of FAMILIES) lab.stores.slices.set(podSlice(family, endpoints));
  await running.settled();
}

/** Who answered, each once. */
async function answerers(from: HostName, host: string, port: number, protocol: "tcp" | "udp" = "tcp") {
  const all = new Set<string>();
  for (let i = 0; i < TRIES; i++) all.add((await lab.hosts[from].ask(host, port, { protocol })).split(" ")[0]!);
  return all;
}

const sticky = (timeoutSeconds: number, spec: V1Service["spec"] = {}) =>
  webService({ sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds } }, ...spec });

describe.each(HOMES)("%s", (home) => {
  beforeAll(async () => {
    running = await lab.start(home);
  });
  afterAll(() => running.stop());
  afterEach(async () => {
    lab.stores.services.remove("shop/web");
    for (const family of FAMILIES) lab.stores.slices.remove(`shop/web-${family}`);
    await running.settled();
  });

  describe.each(FAMILIES)("%s", (family) => {
    const node = ADDRESSES.node[family];

    test("sends a client back to the endpoint it had, by any address of the Service", async () => {
      await given(sticky(10_800), ["pod1", "pod2", "pod3"]);
      const first = await answerers("client", VIP[family], 80);
      expect(first.size).toBe(1);
      expect(await answerers("client", CLUSTER_IP[family], 80)).toEqual(first);
      expect(await answerers("client", node, 30080)).toEqual(first);
      expect((await answerers("client", VIP[family], 53, "udp")).size).toBe(1);
      const other = await answerers("pod1", CLUSTER_IP[family], 80);
      expect(other.size).toBe(1);
    });

    test("keeps a client at its endpoint when others come, and moves it when that one goes", async () => {
      await given(sticky(10_800), ["pod1", "pod2"]);
      const [first = ""] = await answerers("client", VIP[family], 80);
      await given(sticky(10_800), ["pod1", "pod2", "pod3"]);
      expect(await answerers("client", VIP[family], 80)).toEqual(new Set([first]));
      const rest = (["pod1", "pod2", "pod3"] as const).filter((pod) => pod !== first);
      await given(sticky(10_800), rest);
      const [second = ""] = await answerers("client", VIP[family], 80);
      expect(rest).toContain(second);
    });

    test.runIf(family === "ipv4")("forgets a client that stays away longer than the timeout", async () => {
      await given(sticky(1), ["pod1", "pod2", "pod3"]);
      const seen = new Set([await lab.hosts.client.ask(VIP[family], 80)]);
      for (let i = 0; i < 8 && seen.size < 2; i++) {
        await sleep(home === "nftables" ? 1200 : 2100); // recent counts in whole seconds
        seen.add(await lab.hosts.client.ask(VIP[family], 80));
      }
      expect(seen.size).toBeGreaterThan(1);
    });

    test("uses local endpoints only for outsiders under the external policy Local", async () => {
      lab.stores.services.set(sticky(60, { externalTrafficPolicy: "Local" }));
      lab.stores.slices.set(podSlice(family, { pod1: { node: "node2" }, pod2: {}, pod3: {} }));
      await running.settled();
      const [first = ""] = await answerers("client", VIP[family], 80);
      expect(["pod2", "pod3"]).toContain(first);
      expect(await answerers("client", node, 30080)).toEqual(new Set([first]));
      expect((await answerers("node", VIP[family], 80)).size).toBe(1);
    });

    test("spreads again when the Service no longer asks for it", async () => {
      await given(sticky(10_800), ["pod1", "pod2", "pod3"]);
      expect((await answerers("pod1", CLUSTER_IP[family], 80)).size).toBe(1);
      await given(webService(), ["pod1", "pod2", "pod3"]);
      expect((await answerers("pod1", CLUSTER_IP[family], 80)).size).toBeGreaterThan(1);
      await given(sticky(10_800), ["pod1", "pod2", "pod3"]);
      expect((await answerers("pod1", CLUSTER_IP[family], 80)).size).toBe(1);
    });

    test("gives endpoints their shares by weight", async () => {
      const web = webService();
      const annotations = { "ironbridge.io/endpoint-weights": `${ADDRESSES.pod2[family]}=99` };
      await given({ ...web, metadata: { ...web.metadata, annotations } }, ["pod1", "pod2"]);
      expect(await answerers("client", VIP[family], 80)).toContain("pod2");
      const zero = { "ironbridge.io/endpoint-weights": `${ADDRESSES.pod2[family]}=0` };
      await given({ ...web, metadata: { ...web.metadata, annotations: zero } }, ["pod1", "pod2"]);
      expect(await answerers("client", VIP[family], 80)).toEqual(new Set(["pod1"]));
    });

    test.runIf(home === "nftables").each(["source-hash", "maglev"])("spreads by %s", async (balancing) => {
      const web = webService();
      const annotations = { "ironbridge.io/load-balancing": balancing };
      await given({ ...web, metadata: { ...web.metadata, annotations } }, ["pod1", "pod2", "pod3"]);
      const size = (await answerers("client", VIP[family], 80)).size;
      if (balancing === "source-hash") expect(size).toBe(1);
      else expect(size).toBeGreaterThan(1);
      expect((await answerers("pod1", CLUSTER_IP[family], 53, "udp")).size).toBeGreaterThan(0);
    });
  });

  test("finds all it has written as it wrote it", async () => {
    await given(sticky(93_784, { externalTrafficPolicy: "Local" }), ["pod1", "pod2", "pod3"]);
    // The first restart also removes what earlier tests have left unused.
    for (let i = 0; i < 2; i++) {
      await running.stop();
      running = await lab.start(home);
    }
    expect(await running.written()).toBe(0);
  });
});

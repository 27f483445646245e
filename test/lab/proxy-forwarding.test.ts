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

const PODS: readonly HostName[] = ["pod1", "pod2", "pod3"];
const VIP = { ipv4: "192.168.1.100", ipv6: "fd00:1::100" };
const CLUSTER_IP = { ipv4: "10.96.0.10", ipv6: "fd00:96::10" };
const NODE_PORT = 30080;
const FAMILIES = ["ipv4", "ipv6"] as const;
/** What an endpoint sees of somebody whom the node has masqueraded. */
const GATEWAY = { ipv4: "10.244.1.1", ipv6: "fd00:244:1::1" };

/** Puts one Service and its slices in the place of all others, and waits for the rules. */
async function given(service: V1Service, endpoints: Parameters<typeof podSlice>[1]): Promise<void> {
  lab.stores.services.set(service);
  for (const family of FAMILIES) lab.stores.slices.set(podSlice(family, endpoints));
  await running.settled();
}

/** The answers of `count` connections, each once. */
async function answers(from: HostName, host: string, port: number, count = 24): Promise<Set<string>> {
  const all = new Set<string>();
  for (let i = 0; i < count; i++) all.add(await lab.hosts[from].ask(host, port));
  return all;
}

describe.each(HOMES)("%s", (home) => {
  beforeAll(async () => {
    running = await lab.start(home);
  });
  afterAll(() => running.stop());
  afterEach(async () => {
    for (const service of lab.stores.services.list())
      lab.stores.services.remove(`${service.metadata?.namespace}/${service.metadata?.name}`);
    for (const slice of lab.stores.slices.list())
      lab.stores.slices.remove(`${slice.metadata?.namespace}/${slice.metadata?.name}`);
    await running.settled();
  });

  describe.each(FAMILIES)("%s", (family) => {
    const address = (host: HostName) => ADDRESSES[host][family];
    const seen = (pods: readonly HostName[], by: string) => new Set(pods.map((pod) => `${pod} ${by}`));

    test("spreads connections over all endpoints, from a pod, the node and outside", async () => {
      await given(webService(), { pod2: {}, pod3: {} });
      expect(await answers("pod1", CLUSTER_IP[family], 80)).toEqual(seen(["pod2", "pod3"], address("pod1")));
      expect(await answers("node", CLUSTER_IP[family], 80)).toEqual(seen(["pod2", "pod3"], GATEWAY[family]));
      // Masqueraded: from a source that is no pod to a cluster IP, and under the external policy Cluster.
      expect(await answers("client", CLUSTER_IP[family], 80)).toEqual(seen(["pod2", "pod3"], GATEWAY[family]));
      expect(await answers("client", VIP[family], 80)).toEqual(seen(["pod2", "pod3"], GATEWAY[family]));
      expect(await answers("client", address("node"), NODE_PORT)).toEqual(seen(["pod2", "pod3"], GATEWAY[family]));
      expect(await answers("pod1", VIP[family], 80)).toEqual(seen(["pod2", "pod3"], GATEWAY[family]));
      expect(await answers("pod1", address("node"), NODE_PORT)).toEqual(seen(["pod2", "pod3"], GATEWAY[family]));
      expect(await answers("node", VIP[family], 80)).toEqual(seen(["pod2", "pod3"], GATEWAY[family]));
      expect(await answers("node", address("node"), NODE_PORT)).toEqual(seen(["pod2", "pod3"], GATEWAY[family]));
    });

    test("forwards UDP", async () => {
      await given(webService(), { pod2: {} });
      const udp = { protocol: "udp" } as const;
      expect(await lab.hosts.pod1.ask(CLUSTER_IP[family], 53, udp)).toBe(`pod2 ${address("pod1")}`);
      expect(await lab.hosts.client.ask(VIP[family], 53, udp)).toBe(`pod2 ${GATEWAY[family]}`);
      expect(await lab.hosts.client.ask(address("node"), 30053, udp)).toBe(`pod2 ${GATEWAY[family]}`);
    });

    test("lets a pod reach itself", async () => {
      await given(webService(), { pod1: {} });
      expect(await answers("pod1", CLUSTER_IP[family], 80, 3)).toEqual(seen(["pod1"], GATEWAY[family]));
      expect(await answers("pod1", VIP[family], 80, 3)).toEqual(seen(["pod1"], GATEWAY[family]));
    });

    test("takes external IPs", async () => {
      const externalIPs = family === "ipv4" ? ["192.168.1.120"] : ["fd00:1::120"];
      await given(webService({ externalIPs }), { pod2: {} });
      expect(await lab.hosts.client.ask(externalIPs[0]!, 80)).toBe(`pod2 ${GATEWAY[family]}`);
    });

    test("keeps the source and uses local endpoints under the external policy Local", async () => {
      await given(webService({ externalTrafficPolicy: "Local" }), { pod2: {}, pod3: { node: "node2" } });
      expect(await answers("client", VIP[family], 80)).toEqual(seen(["pod2"], address("client")));
      expect(await answers("client", address("node"), NODE_PORT)).toEqual(seen(["pod2"], address("client")));
      // Pods and the node are served as if they had gone out and come back.
      expect(await answers("pod1", VIP[family], 80)).toEqual(seen(["pod2", "pod3"], address("pod1")));
      expect(await answers("pod1", address("node"), NODE_PORT)).toEqual(seen(["pod2", "pod3"], address("pod1")));
      expect(await answers("node", VIP[family], 80)).toEqual(seen(["pod2", "pod3"], GATEWAY[family]));
    });

    test("drops what comes from outside under the external policy Local without local endpoints", async () => {
      await given(webService({ externalTrafficPolicy: "Local" }), { pod3: { node: "node2" } });
      expect(await lab.hosts.client.ask(VIP[family], 80, { timeout: 300 })).toBe("silent");
      expect(await lab.hosts.client.ask(address("node"), NODE_PORT, { timeout: 300 })).toBe("silent");
      expect(await lab.hosts.pod1.ask(VIP[family], 80)).toBe(`pod3 ${address("pod1")}`);
      expect(await lab.hosts.node.ask(VIP[family], 80)).toBe(`pod3 ${GATEWAY[family]}`);
    });

    test("uses local endpoints for the cluster IP under the internal policy Local, or none", async () => {
      await given(webService({ internalTrafficPolicy: "Local" }), { pod2: {}, pod3: { node: "node2" } });
      expect(await answers("pod1", CLUSTER_IP[family], 80)).toEqual(seen(["pod2"], address("pod1")));
      expect(await answers("client", VIP[family], 80)).toEqual(seen(["pod2", "pod3"], GATEWAY[family]));
      await given(webService({ internalTrafficPolicy: "Local" }), { pod3: { node: "node2" } });
      expect(await lab.hosts.pod1.ask(CLUSTER_IP[family], 80, { timeout: 300 })).toBe("silent");
      expect(await lab.hosts.client.ask(VIP[family], 80)).toBe(`pod3 ${GATEWAY[family]}`);
    });

    test("refuses when nobody can answer, over TCP and UDP", async () => {
      await given(webService(), {});
      for (const [from, host, port] of [
        ["pod1", CLUSTER_IP[family], 80],
        ["node", CLUSTER_IP[family], 80],
        ["client", VIP[family], 80],
        ["client", address("node"), NODE_PORT],
        ["node", address("node"), NODE_PORT],
      ] as const) {
        expect([from, host, await lab.hosts[from].ask(host, port)]).toEqual([from, host, "refused"]);
      }
      expect(await lab.hosts.pod1.ask(CLUSTER_IP[family], 53, { protocol: "udp" })).toBe("refused");
    });

    test("refuses ports that no Service has on addresses that Services have", async () => {
      await given(webService(), { pod2: {} });
      expect(await lab.hosts.pod1.ask(CLUSTER_IP[family], 81)).toBe("refused");
      expect(await lab.hosts.client.ask(VIP[family], 81)).toBe("refused");
      expect(await lab.hosts.node.ask(VIP[family], 81)).toBe("refused");
      // The node's own ports are not concerned.
      expect(await lab.hosts.client.ask(address("node"), 8080)).toBe(`node ${address("client")}`);
    });

    test("lets only the source ranges use the load balancer's address", async () => {
      const only = (range: string) => webService({ loadBalancerSourceRanges: [range] });
      await given(only(family === "ipv4" ? "203.0.113.0/24" : "2001:db8::/32"), { pod2: {} });
      expect(await lab.hosts.client.ask(VIP[family], 80, { timeout: 300 })).toBe("silent");
      expect(await lab.hosts.pod1.ask(VIP[family], 80, { timeout: 300 })).toBe("silent");
      expect(await lab.hosts.client.ask(address("node"), NODE_PORT)).toBe(`pod2 ${GATEWAY[family]}`);
      expect(await lab.hosts.pod1.ask(CLUSTER_IP[family], 80)).toBe(`pod2 ${address("pod1")}`);
      await given(only(`${address("client")}/${family === "ipv4" ? 32 : 128}`), { pod2: {} });
      expect(await lab.hosts.client.ask(VIP[family], 80)).toBe(`pod2 ${GATEWAY[family]}`);
      expect(await lab.hosts.pod1.ask(VIP[family], 80, { timeout: 300 })).toBe("silent");
    });

    test("keeps a connection whose endpoint is no longer for new ones", async () => {
      await given(webService(), { pod2: {} });
      expect(await lab.hosts.client.order({ kind: "open", host: VIP[family], port: 80 })).toBe(
        `pod2 ${GATEWAY[family]}`,
      );
      await given(webService(), { pod3: {} });
      expect(await lab.hosts.client.order({ kind: "again" })).toBe(`pod2 ${GATEWAY[family]}`);
      expect(await answers("client", VIP[family], 80, 6)).toEqual(seen(["pod3"], GATEWAY[family]));
    });

    test("uses endpoints that terminate only while no other is ready", async () => {
      await given(webService(), { pod2: { ready: false }, pod3: {} });
      expect(await answers("pod1", CLUSTER_IP[family], 80)).toEqual(seen(["pod3"], address("pod1")));
      await given(webService(), { pod2: { ready: false } });
      expect(await answers("pod1", CLUSTER_IP[family], 80, 4)).toEqual(seen(["pod2"], address("pod1")));
    });
  });

  test("forgets a Service that is gone", async () => {
    await given(webService(), { pod2: {} });
    lab.stores.services.remove("shop/web");
    await running.settled();
    expect(await lab.hosts.client.ask(ADDRESSES.node.ipv4, NODE_PORT)).toBe("refused"); // by the node's own kernel
    expect(await lab.hosts.client.ask(VIP.ipv4, 80, { timeout: 300 })).not.toContain("pod");
  });

  test("serves many Services at once", async () => {
    for (let i = 0; i < 300; i++) {
      const numbered = webService({ clusterIP: `10.96.${i >> 7}.${(i & 127) + 20}`, type: "ClusterIP" });
      const ports = [{ name: "http", port: 80, protocol: "TCP" }];
      lab.stores.services.set({
        ...numbered,
        metadata: { ...numbered.metadata, name: `web-${i}` },
        spec: { ...numbered.spec, clusterIPs: [numbered.spec!.clusterIP!], ports },
        status: {},
      });
      const slice = podSlice("ipv4", { [PODS[i % 3]!]: {} });
      const labels = { "kubernetes.io/service-name": `web-${i}` };
      lab.stores.slices.set({ ...slice, metadata: { ...slice.metadata, name: `web-${i}`, labels } });
    }
    await running.settled();
    for (const i of [0, 1, 2, 127, 128, 299]) {
      const host = `10.96.${i >> 7}.${(i & 127) + 20}`;
      expect(await lab.hosts.node.ask(host, 80)).toBe(`${PODS[i % 3]} ${GATEWAY.ipv4}`);
    }
  });
});

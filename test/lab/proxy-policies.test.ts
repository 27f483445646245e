import { afterEach, describe, expect, test } from "vitest";
import type { V1Node, V1Service } from "../../kube/mod.ts";
import {
  ADDRESSES,
  HOMES,
  type HostName,
  OTHER_PORT,
  podSlice,
  SERVING_PORT,
  webService,
} from "./support/proxy-lab.ts";
import { EXTERNAL_IP, FAMILIES, useProxy, useStage, VIP } from "./support/proxy-stage.ts";

/**
 * Traffic policies, load balancers and topology in Kubernetes' own network specs, each by its name there. What the specs
 * see on another node is seen here with endpoints that are said to be on another node.
 */
const stage = useStage();

const AWAY = { node: "node2" };
const DYING = { ready: false };
const bothWays = { internalTrafficPolicy: "Local", externalTrafficPolicy: "Local" } as const;
const ranges = (...hosts: readonly HostName[]) =>
  hosts.flatMap((host) => [`${ADDRESSES[host].ipv4}/32`, `${ADDRESSES[host].ipv6}/128`]);

describe.each(HOMES)("%s", (home) => {
  useProxy(stage, home);

  test("should respect internalTrafficPolicy=Local Pod to Pod", async () => {
    await stage.given(webService({ internalTrafficPolicy: "Local" }), { pod2: {}, pod3: AWAY });
    await stage.meets("pod1", "cluster IP", ["pod2"], { as: "pod1" });
    // It is for cluster IPs only.
    await stage.meets("client", "load balancer", ["pod2", "pod3"], { as: "gateway" });
    await stage.endpoints({ pod2: AWAY, pod3: AWAY });
    await stage.isSilent("pod1", "cluster IP");
    await stage.isSilent("client", "cluster IP");
    await stage.meets("client", "node port", ["pod2", "pod3"], { as: "gateway" });
  });

  test("should respect internalTrafficPolicy=Local Pod (hostNetwork: true) to Pod", async () => {
    await stage.given(webService({ internalTrafficPolicy: "Local" }), { pod2: {}, pod3: AWAY });
    await stage.meets("node", "cluster IP", ["pod2"], { as: "gateway" });
    await stage.endpoints({ pod2: AWAY, pod3: AWAY });
    await stage.isSilent("node", "cluster IP");
  });

  test("should respect internalTrafficPolicy=Local Pod and Node, to Pod (hostNetwork: true)", async () => {
    await stage.given(webService({ internalTrafficPolicy: "Local" }), { node: {}, pod3: AWAY });
    await stage.meets("pod1", "cluster IP", ["node"]);
    await stage.meets("node", "cluster IP", ["node"]);
    await stage.endpoints({ node: AWAY, pod3: AWAY });
    await stage.isSilent("pod1", "cluster IP");
    await stage.isSilent("node", "cluster IP");
  });

  test("should fallback to terminating endpoints when there are no ready endpoints with internalTrafficPolicy=Cluster", async () => {
    await stage.given(webService(), { pod2: DYING, pod3: {} });
    await stage.meets("pod1", "cluster IP", ["pod3"]);
    await stage.endpoints({ pod2: DYING, pod3: { ...DYING, ...AWAY } });
    for (const from of ["pod1", "node"] as const) await stage.meets(from, "cluster IP", ["pod2", "pod3"]);
    await stage.endpoints({ pod2: { ...DYING, serving: false }, pod3: DYING });
    await stage.meets("pod1", "cluster IP", ["pod3"]);
  });

  test("should fallback to local terminating endpoints when there are no ready endpoints with internalTrafficPolicy=Local", async () => {
    await stage.given(webService({ internalTrafficPolicy: "Local" }), { pod2: DYING, pod3: AWAY });
    for (const from of ["pod1", "node"] as const) await stage.meets(from, "cluster IP", ["pod2"]);
    await stage.endpoints({ pod2: { ...DYING, ...AWAY } });
    await stage.isSilent("pod1", "cluster IP");
  });

  test("should fallback to terminating endpoints when there are no ready endpoints with externalTrafficPolicy=Cluster", async () => {
    await stage.given(webService(), { pod2: DYING, pod3: { ...DYING, ...AWAY } });
    for (const way of ["node port", "load balancer"] as const) await stage.meets("client", way, ["pod2", "pod3"]);
  });

  test("should fallback to local terminating endpoints when there are no ready endpoints with externalTrafficPolicy=Local", async () => {
    await stage.given(webService({ externalTrafficPolicy: "Local" }), { pod2: DYING, pod3: AWAY });
    for (const way of ["node port", "load balancer"] as const) {
      await stage.meets("client", way, ["pod2"], { as: "client" });
      await stage.meets("pod1", way, ["pod3"], { as: "pod1" });
    }
    await stage.endpoints({ pod2: { ...DYING, ...AWAY } });
    await stage.isSilent("client", "node port");
    await stage.isSilent("client", "load balancer");
  });

  test.each([
    { protocol: "tcp" as const, other: "udp" as const },
    { protocol: "udp" as const, other: "tcp" as const },
  ])("should be able to change the type and ports of a $protocol service", async ({ protocol, other }) => {
    const ask = { protocol };
    const service = (type: string, port: number, nodePort?: number): V1Service => ({
      ...webService({
        type,
        ports: [{ name: "http", port, protocol: protocol.toUpperCase(), ...(nodePort && { nodePort }) }],
      }),
      ...(type !== "LoadBalancer" && { status: {} }),
    });
    const endpoints = FAMILIES.map((family) => ({
      ...podSlice(family, { pod2: {} }),
      ports: [{ name: "http", port: SERVING_PORT, protocol: protocol.toUpperCase() }],
    }));
    await stage.put(service("ClusterIP", 80), ...endpoints);
    await stage.meets("pod1", "cluster IP", ["pod2"], { ...ask, port: 80 });
    await stage.put(service("NodePort", 80, 30080));
    await stage.meets("client", "node port", ["pod2"], { ...ask, port: 30080 });
    await stage.put(service("NodePort", 80, 30081));
    await stage.meets("client", "node port", ["pod2"], { ...ask, port: 30081 });
    await stage.isRefused("client", "node port", { ...ask, port: 30080 });
    await stage.put(service("LoadBalancer", 80, 30081));
    await stage.meets("client", "load balancer", ["pod2"], { ...ask, port: 80 });
    await stage.put(service("LoadBalancer", 82, 30081));
    await stage.meets("client", "load balancer", ["pod2"], { ...ask, port: 82 });
    await stage.isRefused("client", "load balancer", { ...ask, port: 80 });
    await stage.isRefused("client", "load balancer", { protocol: other, port: 82 });
    await stage.meets("client", "node port", ["pod2"], { ...ask, port: 30081 });
    await stage.put(service("ClusterIP", 82));
    await stage.isGone("client", "load balancer", { ...ask, port: 82 });
    await stage.isRefused("client", "node port", { ...ask, port: 30081 });
    await stage.meets("pod1", "cluster IP", ["pod2"], { ...ask, port: 82 });
  });

  test("should be able to create LoadBalancer Service without NodePort and change it", async () => {
    const without = { allocateLoadBalancerNodePorts: false, ports: [{ name: "http", port: 80 }] };
    await stage.given(webService(without), { pod2: {} });
    await stage.meets("client", "load balancer", ["pod2"]);
    await stage.isRefused("client", "node port");
    await stage.put(webService());
    await stage.meets("client", "load balancer", ["pod2"]);
    await stage.meets("client", "node port", ["pod2"]);
  });

  test("should only allow access from service loadbalancer source ranges", async () => {
    const service = (...hosts: readonly HostName[]) => webService({ loadBalancerSourceRanges: ranges(...hosts) });
    await stage.given(service("pod3"), { pod2: {} });
    await stage.isSilent("pod1", "load balancer");
    await stage.isSilent("client", "load balancer");
    // They are for the load balancer's address only.
    await stage.meets("client", "node port", ["pod2"], { as: "gateway" });
    await stage.meets("pod1", "cluster IP", ["pod2"], { as: "pod1" });
    await stage.put(service("pod1"));
    await stage.meets("pod1", "load balancer", ["pod2"]);
    await stage.isSilent("client", "load balancer");
    await stage.put(service("client"));
    await stage.meets("client", "load balancer", ["pod2"], { as: "gateway" });
    await stage.isSilent("pod1", "load balancer");
    await stage.put(webService());
    for (const from of ["client", "pod1"] as const) await stage.meets(from, "load balancer", ["pod2"]);
  });

  test("should work for type=LoadBalancer", async () => {
    await stage.given(webService({ externalTrafficPolicy: "Local" }), { pod2: {}, pod3: AWAY });
    await stage.meets("client", "load balancer", ["pod2"], { as: "client" });
    await stage.meets("client", "load balancer", ["pod2"], { as: "client", protocol: "udp" });
  });

  test("should work for type=NodePort", async () => {
    await stage.given(webService({ type: "NodePort", externalTrafficPolicy: "Local" }), { pod2: {}, pod3: AWAY });
    await stage.meets("client", "node port", ["pod2"], { as: "client" });
    await stage.endpoints({ pod2: AWAY, pod3: AWAY });
    await stage.isSilent("client", "node port");
  });

  test("should work from pods", async () => {
    const service = webService({ ...bothWays, externalIPs: Object.values(EXTERNAL_IP) });
    await stage.given(service, { pod2: AWAY, pod3: AWAY });
    for (const way of ["load balancer", "external IP", "node port"] as const) {
      // As if it had gone out and come back by a load balancer.
      await stage.meets("pod1", way, ["pod2", "pod3"], { as: "pod1" });
      await stage.meets("node", way, ["pod2", "pod3"], { as: "gateway" });
      await stage.isSilent("client", way);
    }
  });

  test("should handle updates to ExternalTrafficPolicy field", async () => {
    const local = webService({ externalTrafficPolicy: "Local" });
    await stage.given(local, { pod2: {}, pod3: AWAY });
    for (const service of [local, webService(), local]) {
      await stage.put(service);
      const isLocal = service === local;
      for (const way of ["load balancer", "node port"] as const) {
        await stage.meets("client", way, isLocal ? ["pod2"] : ["pod2", "pod3"], { as: isLocal ? "client" : "gateway" });
      }
    }
  });

  test("LoadBalancer with ipMode Proxy leaves the node", async () => {
    // The load balancer is the client: it has the address, and answers itself.
    const addresses = FAMILIES.map((family) => VIP[family]);
    for (const address of addresses) await stage.lab.on("client", "ip", "addr", "add", address, "dev", "eth0", "nodad");
    try {
      const ingress = addresses.map((ip) => ({ ip, ipMode: "Proxy" }));
      const ports = [{ name: "http", port: OTHER_PORT, nodePort: 30080 }];
      await stage.given({ ...webService({ ports }), status: { loadBalancer: { ingress } } }, { pod2: {} });
      await stage.meets("node", "load balancer", [`client:${OTHER_PORT}`], { port: OTHER_PORT, as: "node" });
      await stage.meets("client", "node port", ["pod2"]);
      await stage.put(webService({ ports }));
      await stage.meets("node", "load balancer", ["pod2"], { port: OTHER_PORT });
    } finally {
      for (const address of addresses) await stage.lab.on("client", "ip", "addr", "del", address, "dev", "eth0");
    }
  });

  test.each(["Cluster", "Local"] as const)(
    "should not have connectivity disruption during rolling update with externalTrafficPolicy=%s",
    async (externalTrafficPolicy) => {
      await stage.given(webService({ externalTrafficPolicy }), { pod1: {} });
      const wrong: string[] = [];
      let isOver = false;
      const asking = FAMILIES.map(async (family) => {
        while (!isOver) {
          const answer = await stage.lab.hosts.client.ask(VIP[family], 80);
          if (!answer.startsWith("pod")) wrong.push(answer);
        }
      });
      try {
        const notYet = { ready: false, serving: false, terminating: false };
        await stage.endpoints({ pod1: {}, pod2: notYet });
        for (const [from, to, next] of [
          ["pod1", "pod2", "pod3"],
          ["pod2", "pod3", "pod1"],
        ] as const) {
          await stage.endpoints({ [from]: {}, [to]: {} });
          await stage.endpoints({ [from]: DYING, [to]: {} });
          await stage.endpoints({ [to]: {}, [next]: notYet });
        }
        await stage.endpoints({ pod3: DYING });
      } finally {
        isOver = true;
        await Promise.all(asking);
      }
      expect(wrong).toEqual([]);
    },
  );
});

describe.each(HOMES)("%s in zone a", (home) => {
  useProxy(stage, home);
  const node = () => stage.lab.stores.nodes.get("node1")!;
  const inZone = (zone: string | undefined) => {
    const { labels: _, ...metadata } = node().metadata ?? {};
    const labels = zone === undefined ? {} : { labels: { "topology.kubernetes.io/zone": zone } };
    const moved: V1Node = { ...node(), metadata: { ...metadata, ...labels } };
    stage.lab.stores.nodes.set(moved);
    return stage.running.settled();
  };
  afterEach(() => inZone(undefined));

  test("should distribute endpoints evenly", async () => {
    await inZone("a");
    // Hints as the controller of slices gives them: each zone its share, whatever zone a pod is in.
    await stage.given(webService(), { pod1: { zones: ["b"] }, pod2: { zones: ["a"] }, pod3: { zones: ["a"] } });
    for (const from of ["pod1", "node"] as const) await stage.meets(from, "cluster IP", ["pod2", "pod3"]);
    await stage.meets("client", "load balancer", ["pod2", "pod3"]);
    await stage.endpoints({ pod1: { zones: ["b"] }, pod2: { zones: ["a"] }, pod3: {} }); // one without: nobody's count
    await stage.meets("pod1", "cluster IP", ["pod1", "pod2", "pod3"]);
  });

  test.each(["PreferClose", "PreferSameZone"])(
    "should route traffic to an endpoint in the same zone when using %s",
    async (trafficDistribution) => {
      await inZone("a");
      await stage.given(webService({ trafficDistribution }), {
        pod2: { zones: ["a"] },
        pod3: { zones: ["b"], ...AWAY },
      });
      await stage.meets("pod1", "cluster IP", ["pod2"], { as: "pod1" });
      await stage.endpoints({ pod2: { zones: ["b"], ...AWAY }, pod3: { zones: ["a"] } });
      await stage.meets("pod1", "cluster IP", ["pod3"]);
    },
  );

  test.each(["PreferClose", "PreferSameZone"])(
    "should route traffic correctly between pods on multiple nodes when using %s",
    async (trafficDistribution) => {
      await inZone("c");
      const endpoints = { pod2: { zones: ["a"] }, pod3: { zones: ["b"], ...AWAY } };
      await stage.given(webService({ trafficDistribution }), endpoints);
      await stage.meets("pod1", "cluster IP", ["pod2", "pod3"]); // none is meant for this zone
      await inZone("b");
      await stage.meets("pod1", "cluster IP", ["pod3"]);
    },
  );

  test("should route traffic to an endpoint on the same node or fall back to same zone when using PreferSameNode", async () => {
    await inZone("a");
    const here = { zones: ["a"], nodes: ["node1"] };
    const near = { zones: ["a"], nodes: ["node2"], ...AWAY };
    const far = { zones: ["b"], nodes: ["node3"], node: "node3" };
    const service = webService({ trafficDistribution: "PreferSameNode" });
    await stage.given(service, { pod1: here, pod2: near, pod3: far });
    await stage.meets("node", "cluster IP", ["pod1"]);
    await stage.given(service, { pod2: near, pod3: far });
    await stage.meets("node", "cluster IP", ["pod2"]);
    await stage.given(service, { pod3: far });
    await stage.meets("node", "cluster IP", ["pod3"]);
  });
});

import { existsSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { parsePrefix } from "../../net/mod.ts";
import { ADDRESSES, HOMES, OTHER_PORT, podSlice, SERVING_PORT, webService } from "./support/proxy-lab.ts";
import { CLUSTER_IP, FAMILIES, type Family, useProxy, useStage, VIP } from "./support/proxy-stage.ts";

/** "Networking" and "KubeProxy" of Kubernetes' own network specs, each by its name there. */
const stage = useStage();

const PODS = ["pod1", "pod2", "pod3"] as const;
const ALL = { pod1: {}, pod2: {}, pod3: {} };
const OVER = [
  { name: "http", protocol: "tcp" as const },
  { name: "udp", protocol: "udp" as const },
];
/** Two endpoints answer a client at random with the same name all the time: chance 1 of 2,048. */
const BOTH = 12;
const sctpService = (spec: NonNullable<Parameters<typeof webService>[0]> = {}) =>
  webService({ type: "NodePort", ports: [{ name: "http", port: 80, protocol: "SCTP", nodePort: 30080 }], ...spec });
const sctpSlices = () =>
  FAMILIES.map((family) => ({
    ...podSlice(family, { pod2: {}, pod3: {} }),
    ports: [{ name: "http", port: SERVING_PORT, protocol: "SCTP" }],
  }));

describe.each(HOMES)("%s", (home) => {
  useProxy(stage, home);

  const tablesOf = (family: Family) => {
    const program = family === "ipv4" ? "iptables" : "ip6tables";
    return home === "nftables"
      ? stage.lab.run("nft", "list", "table", family === "ipv4" ? "ip" : "ip6", "ironbridge-proxy")
      : stage.lab.run(`${home.replace("iptables", program)}-save`, "-t", "nat");
  };

  describe("Granular Checks: Services", () => {
    test.each(OVER)("should function for endpoint-Service: $name", async ({ protocol }) => {
      await stage.given(webService(), ALL);
      for (const way of ["cluster IP", "node port"] as const) await stage.meets("pod1", way, PODS, { protocol });
    });

    test.each(OVER)("should function for node-Service: $name", async ({ protocol }) => {
      await stage.given(webService(), ALL);
      for (const way of ["cluster IP", "node port"] as const) await stage.meets("node", way, PODS, { protocol });
    });

    test.each(OVER)("should function for pod-Service: $name", async ({ protocol }) => {
      await stage.given(webService(), { pod2: {}, pod3: {} });
      for (const way of ["cluster IP", "node port"] as const) {
        await stage.meets("pod1", way, ["pod2", "pod3"], { protocol });
      }
    });

    // This kernel may have no SCTP sockets; the rules are what the proxy answers for.
    test.each(FAMILIES)(
      "should function for endpoint-Service, node-Service and pod-Service: sctp (%s)",
      async (family) => {
        await stage.put(sctpService(), ...sctpSlices());
        const rules = await tablesOf(family);
        const [ip, pod] = [CLUSTER_IP[family], ADDRESSES.pod2[family]];
        const want =
          home === "nftables"
            ? [
                `${ip} . sctp . 80 : goto sctp-cluster-2`,
                "sctp . 30080 : goto sctp-nodeport-external-2",
                `${pod} . ${SERVING_PORT}`,
              ]
            : [
                `-d ${ip}/${family === "ipv4" ? 32 : 128} -p sctp -m sctp --dport 80 `,
                "-p sctp -m sctp --dport 30080 ",
                `${SERVING_PORT}`,
              ];
        for (const text of want) expect(rules).toContain(text);
      },
    );

    test.each(OVER)("should update endpoints: $name", async ({ protocol }) => {
      await stage.given(webService(), ALL);
      await stage.meets("pod1", "cluster IP", PODS, { protocol });
      await stage.endpoints({ pod1: {}, pod3: {} });
      await stage.meets("pod1", "cluster IP", ["pod1", "pod3"], { protocol });
      await stage.meets("client", "node port", ["pod1", "pod3"], { protocol });
    });

    test.each(OVER)("should update nodePort: $name", async ({ protocol }) => {
      await stage.given(webService({ type: "NodePort" }), ALL);
      await stage.meets("client", "node port", PODS, { protocol });
      await stage.put(
        webService({ type: "ClusterIP", ports: webService().spec!.ports!.map(({ nodePort: _, ...port }) => port) }),
      );
      await stage.isRefused("client", "node port", { protocol });
      await stage.meets("pod1", "cluster IP", PODS, { protocol });
    });

    test.each(OVER)("should function for client IP based session affinity: $name", async ({ protocol }) => {
      await stage.given(webService({ sessionAffinity: "ClientIP" }), ALL);
      for (const from of ["client", "pod1"] as const) {
        const first = await stage.answerers(from, "cluster IP", { protocol });
        const byNodePort = await stage.answerers(from, "node port", { protocol }, BOTH);
        for (const family of FAMILIES) expect(first[family]).toHaveLength(1);
        expect(byNodePort).toEqual(first);
      }
    });

    test("should function for multiple endpoint-Services with same selector", async () => {
      const second = { ipv4: "10.96.0.11", ipv6: "fd00:96::11" };
      const { metadata, spec } = webService({ type: "ClusterIP" });
      const other = { clusterIP: second.ipv4, clusterIPs: Object.values(second) };
      await stage.given(webService(), ALL);
      await stage.put(
        { metadata: { ...metadata, name: "same" }, spec: { ...spec, ...other }, status: {} },
        ...FAMILIES.map((family) => {
          const slice = podSlice(family, ALL);
          const labels = { "kubernetes.io/service-name": "same" };
          return { ...slice, metadata: { ...slice.metadata, name: `same-${family}`, labels } };
        }),
      );
      for (const where of ["cluster IP", second] as const) await stage.meets("client", where, PODS);
      stage.lab.stores.services.remove("shop/same");
      await stage.running.settled();
      await stage.isGone("client", second);
      await stage.meets("client", "cluster IP", PODS);
    });

    test("should function for service endpoints using hostNetwork", async () => {
      await stage.given(webService(), { node: {}, pod2: {} });
      for (const from of ["client", "pod1", "node"] as const) {
        for (const way of ["cluster IP", "node port"] as const) {
          // Over TCP: a UDP socket of a host with several addresses may answer from another than it was asked at.
          await stage.meets(from, way, ["node", "pod2"]);
        }
      }
    });

    test.each([
      { name: "http", protocol: "tcp" as const, size: 200_000 },
      { name: "udp", protocol: "udp" as const, size: 5_000 }, // in four fragments
    ])("should be able to handle large requests: $name", async ({ protocol, size }) => {
      await stage.given(webService(), { pod2: {} });
      await stage.meets("pod1", "cluster IP", ["pod2"], { protocol, size, as: "pod1" });
      await stage.meets("client", "load balancer", ["pod2"], { protocol, size, as: "gateway" });
      await stage.meets("client", "node port", ["pod2"], { protocol, size, as: "gateway" });
    });
  });

  test("should support basic nodePort: udp functionality", async () => {
    await stage.given(webService({ type: "NodePort" }), { pod2: {} });
    for (const from of ["client", "pod1", "node"] as const) {
      await stage.meets(from, "node port", ["pod2"], { protocol: "udp", as: "gateway" });
    }
  });

  test("should be able to send traffic between Pods without SNAT", async () => {
    await stage.given(webService(), ALL);
    await stage.meets("pod1", ADDRESSES.pod2, ["pod2"], { port: SERVING_PORT, as: "pod1" });
    await stage.meets("pod1", ADDRESSES.pod2, ["pod2"], { port: SERVING_PORT, as: "pod1", protocol: "udp" });
    await stage.meets("client", ADDRESSES.node, ["node"], { port: SERVING_PORT, as: "client" });
  });

  test("validates that there is no conflict between pods with same hostPort but different hostIP and protocol", async () => {
    // A host port is somebody else's rule or socket: the node's own ports, at every address, are none of the proxy's.
    await stage.given(webService({ ports: [{ name: "http", port: 80, nodePort: 30080 }] }), { pod2: {} });
    await stage.meets("client", ADDRESSES.node, [`node:${OTHER_PORT}`], { port: OTHER_PORT });
    await stage.meets("client", ADDRESSES.node, [`node:${OTHER_PORT}`], { port: OTHER_PORT, protocol: "udp" });
    // Nor is the node port's number over the other protocol.
    await stage.isRefused("client", ADDRESSES.node, { port: 30080, protocol: "udp" });
  });

  test("should create a ClusterIP Service with SCTP ports", async () => {
    const hasModule = existsSync("/sys/module/sctp");
    await stage.put(sctpService({ type: "ClusterIP" }), ...sctpSlices());
    expect(existsSync("/sys/module/sctp")).toBe(hasModule); // rules load no module
    // The same port over TCP is another Service's, or nobody's.
    await stage.isRefused("pod1", "cluster IP");
  });

  test("should allow creating a basic SCTP service with pod and endpoints", async () => {
    await stage.put(sctpService(), ...sctpSlices());
    const [program, args] = home === "nftables" ? ["nft", ["list", "ruleset"]] : [`${home}-save`, []];
    const before = await stage.lab.run(program!, ...(args as string[]));
    expect(before).toMatch(/sctp/);
    await stage.put(sctpService(), ...FAMILIES.map((family) => podSlice(family, {})));
    // Without endpoints it is refused, as are the others.
    const after = await stage.lab.run(program!, ...(args as string[]));
    expect(after).toMatch(
      home === "nftables"
        ? /sctp \. 80 : goto refuse/
        : /-d 10\.96\.0\.10\/32 -p sctp -m sctp --dport 80 .*-j IRON-REFUSE|-p sctp .*-j REJECT/,
    );
  });
});

describe.each(HOMES)("%s with node ports on localhost", (home) => {
  const nodePortAddresses = ["127.0.0.0/8", "192.168.1.0/24", "fd00:1::/64"].map(parsePrefix);
  useProxy(stage, home, { nodePortAddresses });
  afterEach(() => stage.clear());

  const LOCALHOST = { ipv4: "127.0.0.1", ipv6: "::1" };

  test("should function for localhost node ports, over IPv4 only", async () => {
    await stage.given(webService(), { pod2: {}, pod3: {} });
    const ipv4 = { families: ["ipv4" as const], port: 30080 };
    await stage.meets("node", LOCALHOST, ["pod2", "pod3"], { ...ipv4, as: "gateway" });
    await stage.isRefused("node", LOCALHOST, { families: ["ipv6"], port: 30080 });
    await stage.meets("client", "node port", ["pod2", "pod3"], { as: "gateway" });
  });

  // nftables has no such metric, as with kube-proxy.
  test.skipIf(home === "nftables")(
    "should update metric for tracking accepted packets destined for localhost nodeports",
    async () => {
      await stage.given(webService(), { pod2: {} });
      const accepted = async () => {
        const name = "kubeproxy_iptables_localhost_nodeports_accepted_packets_total";
        const { values = [] } = (await stage.running.metrics.getSingleMetric(name)?.get()) ?? {};
        return values[0]?.value ?? 0;
      };
      const before = await accepted();
      const ipv4 = { families: ["ipv4" as const] };
      for (let i = 0; i < 3; i++) expect(await stage.lab.hosts.node.ask("127.0.0.1", 30080)).toMatch(/^pod2/);
      await stage.meets("node", LOCALHOST, ["node"], { ...ipv4, port: SERVING_PORT }); // the node's own, no node port
      await stage.meets("client", "node port", ["pod2"], ipv4); // not by localhost
      await expect.poll(accepted, { timeout: 5000 }).toBe(before + 3);
    },
  );

  test("nobody outside reaches the node's localhost (CVE-2020-8558)", async () => {
    await stage.given(webService(), { pod2: {} });
    // The client sends packets for 127.0.0.1 to the node, as an attacker on the same network would.
    await stage.lab.on("client", "ip", "route", "del", "table", "local", "local", "127.0.0.0/8", "dev", "lo");
    await stage.lab.on("client", "ip", "route", "del", "table", "local", "local", "127.0.0.1", "dev", "lo");
    await stage.lab.on(
      "client",
      "ip",
      "route",
      "add",
      "127.0.0.1/32",
      "via",
      ADDRESSES.node.ipv4,
      "src",
      ADDRESSES.client.ipv4,
    );
    try {
      for (const port of [SERVING_PORT, 30080]) {
        await stage.isSilent("client", LOCALHOST, { families: ["ipv4"], port });
      }
      await stage.meets("client", VIP, ["pod2"]);
    } finally {
      await stage.lab.on("client", "ip", "route", "del", "127.0.0.1/32");
      await stage.lab.on("client", "ip", "addr", "flush", "dev", "lo");
      await stage.lab.on("client", "ip", "addr", "add", "127.0.0.1/8", "dev", "lo");
    }
  });
});

import { describe, expect, test } from "vitest";
import type { V1EndpointSlice, V1Service } from "../../kube/mod.ts";
import { ADDRESSES, HOMES, OTHER_PORT, podSlice, SERVING_PORT, webService } from "./support/proxy-lab.ts";
import { CLUSTER_IP, EXTERNAL_IP, FAMILIES, type Family, useProxy, useStage } from "./support/proxy-stage.ts";

/** "Services" of Kubernetes' own network specs, each by its name there. */
const stage = useStage();

type Ports = NonNullable<NonNullable<V1Service["spec"]>["ports"]>;

/** Service "web" without a load balancer. */
const clusterIpService = (spec: V1Service["spec"] = {}) => webService({ type: "ClusterIP", ...spec });
const nodePortService = (spec: V1Service["spec"] = {}) => webService({ type: "NodePort", ...spec });
const externalName = () => {
  const { metadata } = webService();
  return { metadata, spec: { type: "ExternalName", externalName: "elsewhere.example" }, status: {} } as V1Service;
};
const http: Ports[number] = { name: "http", port: 80 };
const admin: Ports[number] = { name: "admin", port: 81 };

/** A slice of Service "web" with a name and ports of its own. */
function extraSlice(family: Family, name: string, ports: V1EndpointSlice["ports"], endpoints = { pod2: {} }) {
  const slice = podSlice(family, endpoints);
  return { ...slice, metadata: { ...slice.metadata, name: `${name}-${family}` }, ...(ports && { ports }) };
}

/** "web" once more, under another name and at other addresses that end in `n`. */
function otherService(name: string, n: number): V1Service {
  const service = clusterIpService({ clusterIP: `10.96.0.${n}`, clusterIPs: [`10.96.0.${n}`, `fd00:96::${n}`] });
  return { ...service, metadata: { ...service.metadata, name } };
}

const otherSlices = (name: string, endpoints: Parameters<typeof podSlice>[1]) =>
  FAMILIES.map((family) => {
    const slice = podSlice(family, endpoints);
    const labels = { "kubernetes.io/service-name": name };
    return { ...slice, metadata: { ...slice.metadata, name: `${name}-${family}`, labels } };
  });

const otherIp = (n: number) => ({ ipv4: `10.96.0.${n}`, ipv6: `fd00:96::${n}` });
const remove = (name: string) => stage.lab.stores.services.remove(`shop/${name}`);

describe.each(HOMES)("%s", (home) => {
  useProxy(stage, home);

  test("should provide secure master service", async () => {
    const ports = [{ name: "https", port: 443 }];
    // The API server is on the node itself.
    await stage.put(
      clusterIpService({ ports }),
      ...FAMILIES.map((family) => ({
        ...podSlice(family, { node: {} }),
        ports: [{ name: "https", port: SERVING_PORT, protocol: "TCP" }],
      })),
    );
    await stage.meets("pod1", "cluster IP", ["node"], { port: 443 });
    await stage.meets("node", "cluster IP", ["node"], { port: 443 });
  });

  test("should serve a basic endpoint from pods", async () => {
    await stage.given(clusterIpService(), {});
    await stage.isRefused("node", "cluster IP");
    for (const pods of [["pod2"], ["pod2", "pod3"], ["pod3"]] as const) {
      await stage.endpoints(Object.fromEntries(pods.map((pod) => [pod, {}])));
      await stage.meets("node", "cluster IP", pods);
    }
    await stage.endpoints({});
    await stage.isRefused("node", "cluster IP");
  });

  test("should serve multiport endpoints from pods", async () => {
    const ports = [
      { name: "http", port: SERVING_PORT, protocol: "TCP" },
      { name: "admin", port: OTHER_PORT, protocol: "TCP" },
    ];
    await stage.put(
      clusterIpService({ ports: [http, admin] }),
      ...FAMILIES.map((family) => ({ ...podSlice(family, { pod2: {}, pod3: {} }), ports })),
    );
    await stage.meets("pod1", "cluster IP", ["pod2", "pod3"]);
    await stage.meets("pod1", "cluster IP", [`pod2:${OTHER_PORT}`, `pod3:${OTHER_PORT}`], { port: 81 });
  });

  test("should be updated after adding or deleting ports", async () => {
    await stage.given(clusterIpService({ ports: [http] }), { pod2: {} });
    await stage.meets("pod1", "cluster IP", ["pod2"]);
    await stage.given(clusterIpService({ ports: [http, { ...http, port: 81 }] }), { pod2: {} });
    await stage.meets("pod1", "cluster IP", ["pod2"]);
    await stage.meets("pod1", "cluster IP", ["pod2"], { port: 81 });
    await stage.given(clusterIpService({ ports: [{ ...http, port: 81 }] }), { pod2: {} });
    await stage.isRefused("pod1", "cluster IP");
    await stage.meets("pod1", "cluster IP", ["pod2"], { port: 81 });
  });

  test("should serve endpoints on same port and different protocols", async () => {
    const overUdp: Ports[number] = { name: "dns", port: 80, protocol: "UDP" };
    await stage.given(clusterIpService({ ports: [http, overUdp] }), { pod2: {}, pod3: {} });
    await stage.meets("pod1", "cluster IP", ["pod2", "pod3"]);
    await stage.meets("pod1", "cluster IP", ["pod2", "pod3"], { port: 80, protocol: "udp" });
    await stage.given(clusterIpService({ ports: [http] }), { pod2: {}, pod3: {} });
    await stage.meets("pod1", "cluster IP", ["pod2", "pod3"]);
    await stage.isRefused("pod1", "cluster IP", { port: 80, protocol: "udp" });
  });

  test("should support named targetPorts that resolve to different ports on different endpoints", async () => {
    const others = [{ name: "http", port: OTHER_PORT, protocol: "TCP" }];
    await stage.put(
      clusterIpService({ ports: [http] }),
      ...FAMILIES.map((family) => podSlice(family, { pod1: {} })),
      ...FAMILIES.map((family) => extraSlice(family, "more", others)),
    );
    await stage.meets("client", "cluster IP", ["pod1", `pod2:${OTHER_PORT}`]);
  });

  test("should be able to change the type from ClusterIP to ExternalName", async () => {
    await stage.given(clusterIpService(), { pod2: {} });
    await stage.meets("pod1", "cluster IP", ["pod2"]);
    await stage.put(externalName());
    await stage.isGone("pod1", "cluster IP");
  });

  test("should be able to change the type from ExternalName to ClusterIP", async () => {
    await stage.given(externalName(), { pod2: {} });
    await stage.isGone("pod1", "cluster IP");
    await stage.put(clusterIpService());
    await stage.meets("pod1", "cluster IP", ["pod2"]);
  });

  test("should be able to change the type from ExternalName to NodePort", async () => {
    await stage.given(externalName(), { pod2: {} });
    await stage.isGone("pod1", "node port");
    await stage.put(nodePortService());
    await stage.meets("pod1", "cluster IP", ["pod2"]);
    await stage.meets("pod1", "node port", ["pod2"]);
    await stage.meets("client", "node port", ["pod2"]);
  });

  test("should be able to change the type from NodePort to ExternalName", async () => {
    await stage.given(nodePortService(), { pod2: {} });
    await stage.meets("client", "node port", ["pod2"]);
    await stage.put(externalName());
    await stage.isRefused("client", "node port"); // by the node's own kernel
    await stage.isGone("pod1", "cluster IP");
  });

  test("should be able to create a functioning NodePort service", async () => {
    await stage.given(nodePortService(), { pod2: {}, pod3: {} });
    for (const from of ["client", "node", "pod1"] as const) {
      await stage.meets(from, "cluster IP", ["pod2", "pod3"]);
      await stage.meets(from, "node port", ["pod2", "pod3"], { as: "gateway" });
    }
  });

  test("should be able to update service type to NodePort listening on same port number but different protocols", async () => {
    const ports: Ports = [
      { name: "http", port: 80, nodePort: 30080 },
      { name: "dns", port: 80, protocol: "UDP", nodePort: 30080 },
    ];
    await stage.given(clusterIpService({ ports: ports.map(({ nodePort: _, ...port }) => port) }), { pod2: {} });
    await stage.isRefused("client", "node port");
    await stage.put(nodePortService({ ports }));
    await stage.meets("client", "node port", ["pod2"]);
    await stage.meets("client", "node port", ["pod2"], { port: 30080, protocol: "udp" });
  });

  test("should release NodePorts on delete", async () => {
    await stage.given(nodePortService(), { pod2: {} });
    await stage.meets("client", "node port", ["pod2"]);
    remove("web");
    const next = otherService("next", 11);
    await stage.put({ ...next, spec: { ...next.spec, type: "NodePort" } }, ...otherSlices("next", { pod3: {} }));
    await stage.meets("client", "node port", ["pod3"]);
  });

  test("should allow pods to hairpin back to themselves through services", async () => {
    await stage.given(webService(), { pod1: {} });
    for (const way of ["cluster IP", "load balancer", "node port"] as const) {
      await stage.meets("pod1", way, ["pod1"], { as: "gateway" });
    }
    await stage.meets("pod1", "cluster IP", ["pod1"], { as: "gateway", protocol: "udp" });
  });

  test("should preserve source pod IP for traffic thru service cluster IP", async () => {
    await stage.given(clusterIpService(), { pod2: {}, pod3: {} });
    await stage.meets("pod1", "cluster IP", ["pod2", "pod3"], { as: "pod1" });
    await stage.meets("pod1", "cluster IP", ["pod2", "pod3"], { as: "pod1", protocol: "udp" });
  });

  test("should be rejected when no endpoints exist", async () => {
    await stage.given(webService({ externalIPs: Object.values(EXTERNAL_IP) }), {});
    for (const from of ["client", "node", "pod1"] as const) {
      for (const way of ["cluster IP", "load balancer", "external IP", "node port"] as const) {
        await stage.isRefused(from, way);
        await stage.isRefused(from, way, { protocol: "udp" });
      }
    }
  });

  test("should be rejected for evicted pods (no endpoints exist)", async () => {
    await stage.given(webService({ publishNotReadyAddresses: true }), {});
    await stage.isRefused("pod1", "cluster IP");
    await stage.isRefused("client", "node port");
  });

  test("should be able to connect to terminating and unready endpoints if PublishNotReadyAddresses is true", async () => {
    // Whoever writes the slices calls all endpoints of such a Service ready.
    const service = nodePortService({ publishNotReadyAddresses: true });
    await stage.given(service, { pod2: { serving: false, terminating: true }, pod3: { serving: false } });
    await stage.meets("pod1", "cluster IP", ["pod2", "pod3"]);
    await stage.meets("client", "node port", ["pod2", "pod3"]);
  });

  test("should not be able to connect to terminating and unready endpoints if PublishNotReadyAddresses is false", async () => {
    const gone = { ready: false, serving: false };
    await stage.given(nodePortService(), {
      pod2: { ...gone, terminating: true },
      pod3: { ...gone, terminating: false },
    });
    await stage.isRefused("pod1", "cluster IP");
    await stage.isRefused("client", "node port");
  });

  test("should create endpoints for unready pods", async () => {
    await stage.given(clusterIpService({ publishNotReadyAddresses: true }), { pod2: { serving: false } });
    await stage.meets("pod1", "cluster IP", ["pod2"]);
    await stage.given(clusterIpService(), { pod2: { ready: false, serving: false, terminating: false } });
    await stage.isRefused("pod1", "cluster IP");
  });

  test("should be possible to connect to a service via ExternalIP when the external IP is not assigned to a node", async () => {
    await stage.given(clusterIpService({ externalIPs: Object.values(EXTERNAL_IP) }), { pod2: {}, pod3: {} });
    for (const from of ["client", "node", "pod1"] as const) {
      await stage.meets(from, "external IP", ["pod2", "pod3"], { as: "gateway" });
    }
  });

  test("should be able to up and down services", async () => {
    await stage.put(otherService("up1", 11), ...otherSlices("up1", { pod1: {}, pod2: {} }));
    await stage.put(otherService("up2", 12), ...otherSlices("up2", { pod2: {}, pod3: {} }));
    await stage.meets("node", otherIp(11), ["pod1", "pod2"]);
    await stage.meets("node", otherIp(12), ["pod2", "pod3"]);
    remove("up1");
    await stage.put(otherService("up3", 13), ...otherSlices("up3", { pod3: {} }));
    await stage.isGone("node", otherIp(11));
    await stage.meets("node", otherIp(12), ["pod2", "pod3"]);
    await stage.meets("node", otherIp(13), ["pod3"]);
  });

  test("should work after restarting kube-proxy", async () => {
    await stage.put(otherService("old", 11), ...otherSlices("old", { pod1: {}, pod2: {} }));
    await stage.stop();
    await stage.meets("pod3", otherIp(11), ["pod1", "pod2"]);
    await stage.start(home);
    await stage.meets("pod3", otherIp(11), ["pod1", "pod2"]);
    await stage.put(otherService("new", 12), ...otherSlices("new", { pod2: {} }));
    await stage.meets("pod3", otherIp(12), ["pod2"]);
  });

  test.each(["service-proxy-name", "headless"])("should implement service.kubernetes.io/%s", async (label) => {
    const labels = { [`service.kubernetes.io/${label}`]: "foo" };
    const labelled = <T extends V1Service | V1EndpointSlice>(object: T): T => ({
      ...object,
      metadata: { ...object.metadata, labels: { ...object.metadata?.labels, ...labels } },
    });
    const slices = FAMILIES.map((family) => podSlice(family, { pod2: {} }));
    await stage.put(labelled(clusterIpService()), ...slices.map(labelled));
    await stage.isGone("pod1", "cluster IP");
    await stage.put(clusterIpService(), ...slices);
    await stage.meets("pod1", "cluster IP", ["pod2"]);
    await stage.put(labelled(clusterIpService()), ...slices.map(labelled));
    await stage.isGone("pod1", "cluster IP");
  });

  test("should complete a service status lifecycle", async () => {
    const at = (last: number) => ({ ipv4: `192.168.1.${last}`, ipv6: `fd00:1::${last}` });
    const status = (last: number) => ({
      loadBalancer: { ingress: Object.values(at(last)).map((ip) => ({ ip })) },
    });
    await stage.given({ ...webService(), status: status(101) }, { pod2: {} });
    await stage.meets("client", at(101), ["pod2"]);
    await stage.put({ ...webService(), status: status(102) });
    await stage.meets("client", at(102), ["pod2"]);
    await stage.isGone("client", at(101));
    await stage.put({ ...webService(), status: {} });
    await stage.isGone("client", at(102));
    await stage.meets("client", "cluster IP", ["pod2"]);
  });

  test("should delete a collection of services", async () => {
    const numbers = Array.from({ length: 50 }, (_, i) => 20 + i);
    for (const n of numbers) {
      stage.lab.stores.services.set(otherService(`many-${n}`, n));
      for (const slice of otherSlices(`many-${n}`, { pod2: {} })) stage.lab.stores.slices.set(slice);
    }
    await stage.running.settled();
    for (const n of [20, 47, 69]) await stage.meets("node", otherIp(n), ["pod2"]);
    for (const n of numbers) remove(`many-${n}`);
    await stage.running.settled();
    for (const n of [20, 47, 69]) await stage.isGone("node", otherIp(n));
  });

  test("[CVE-2021-29923] IPv4 Service Type ClusterIP with leading zeros should work interpreted as decimal", async () => {
    const clusterIP = "010.096.000.011";
    await stage.given(clusterIpService({ clusterIP, clusterIPs: [clusterIP] }), { pod2: {} });
    await stage.meets("pod1", otherIp(11), ["pod2"], { families: ["ipv4"] });
  });

  test("should create a single stack service, and services of both families in either order", async () => {
    const orders = [["ipv4"], ["ipv6"], ["ipv4", "ipv6"], ["ipv6", "ipv4"]] as const;
    for (const order of orders) {
      const clusterIPs = order.map((family) => CLUSTER_IP[family]);
      await stage.given(clusterIpService({ clusterIP: clusterIPs[0]!, clusterIPs }), { pod2: {} });
      await stage.meets("pod1", "cluster IP", ["pod2"], { families: order });
      await stage.isGone("pod1", "cluster IP", { families: FAMILIES.filter((each) => !order.some((f) => f === each)) });
    }
  });

  test("should support a Service with multiple endpoint IPs specified in multiple EndpointSlices", async () => {
    await stage.put(
      clusterIpService({ ports: [http] }),
      ...FAMILIES.map((family) => podSlice(family, { pod1: {}, pod3: {} })),
      ...FAMILIES.map((family) => extraSlice(family, "more", undefined)),
    );
    await stage.meets("client", "cluster IP", ["pod1", "pod2", "pod3"]);
    for (const family of FAMILIES) stage.lab.stores.slices.remove(`shop/web-${family}`);
    await stage.running.settled();
    await stage.meets("client", "cluster IP", ["pod2"]);
  });

  test("should support a Service with multiple ports specified in multiple EndpointSlices", async () => {
    const others = [{ name: "admin", port: OTHER_PORT, protocol: "TCP" }];
    await stage.put(
      clusterIpService({ ports: [http, admin] }),
      ...FAMILIES.map((family) => podSlice(family, { pod1: {} })),
      ...FAMILIES.map((family) => extraSlice(family, "more", others)),
    );
    await stage.meets("client", "cluster IP", ["pod1"]);
    await stage.meets("client", "cluster IP", [`pod2:${OTHER_PORT}`], { port: 81 });
  });

  test("should mirror a custom Endpoints resource through create update and delete", async () => {
    // A Service without a selector, whose mirrored slices name no node.
    const mirrored = (pod: "pod1" | "pod2") =>
      FAMILIES.map((family): V1EndpointSlice => {
        const { metadata, addressType, ports } = podSlice(family, {});
        const labels = {
          ...metadata?.labels,
          "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
        };
        const endpoints = [{ addresses: [ADDRESSES[pod][family]], conditions: {} }];
        return { metadata: { ...metadata, labels }, addressType, ...(ports && { ports }), endpoints };
      });
    await stage.put(clusterIpService(), ...mirrored("pod1"));
    await stage.meets("client", "cluster IP", ["pod1"]);
    await stage.put(clusterIpService(), ...mirrored("pod2"));
    await stage.meets("client", "cluster IP", ["pod2"]);
    for (const family of FAMILIES) stage.lab.stores.slices.remove(`shop/web-${family}`);
    await stage.running.settled();
    await stage.isRefused("client", "cluster IP");
  });

  test("should create Services and serve on different Service CIDRs", async () => {
    const [clusterIP, ipv6] = ["10.97.0.10", "fd00:97::10"];
    await stage.given(clusterIpService({ clusterIP, clusterIPs: [clusterIP, ipv6] }), { pod2: {} });
    await stage.meets("pod1", { ipv4: clusterIP, ipv6 }, ["pod2"], { as: "pod1" });
  });

  test("Service endpoints latency should not be very high", async () => {
    const took: number[] = [];
    for (let n = 0; n < 8; n++) {
      const start = performance.now();
      await stage.given(clusterIpService(), n % 2 === 0 ? { pod2: {} } : { pod3: {} });
      took.push(performance.now() - start);
    }
    expect(Math.max(...took)).toBeLessThan(20_000); // upstream's limit for the median
  });
});

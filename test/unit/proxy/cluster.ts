import type { V1EndpointSlice, V1Service } from "../../../kube/mod.ts";
import { parsePrefix } from "../../../net/mod.ts";
import type { ServicePort } from "../../../proxy/service-port.ts";
import { familySettings } from "../../../proxy/settings.ts";
import type { Surroundings } from "../../../proxy/surroundings.ts";

export const SURROUNDINGS: Surroundings = {
  node: "node1",
  zone: "a",
  addresses: ["192.168.1.11", "fd00:1::11"],
  nodePortAddresses: ["192.168.1.11", "fd00:1::11"],
  nodeAddresses: new Set(["192.168.1.11", "192.168.1.12", "fd00:1::11"]),
};

export const CLUSTER_CIDRS = ["10.244.0.0/16", "fd00:244::/32"].map(parsePrefix);
export const IPV4 = familySettings("ipv4", { clusterCidrs: CLUSTER_CIDRS });
export const IPV6 = familySettings("ipv6", { clusterCidrs: CLUSTER_CIDRS });

type Spec = NonNullable<V1Service["spec"]>;

/** A Service in namespace "shop" with port 80 named "http". */
export function service(name: string, spec: Spec = {}, loadBalancerIps: readonly string[] = []): V1Service {
  return {
    metadata: { name, namespace: "shop", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: {
      type: loadBalancerIps.length > 0 ? "LoadBalancer" : "ClusterIP",
      clusterIP: "10.96.0.10",
      ports: [{ name: "http", port: 80 }],
      ...spec,
    },
    status: { loadBalancer: { ingress: loadBalancerIps.map((ip) => ({ ip })) } },
  };
}

export interface EndpointFacts {
  readonly address: string;
  readonly node?: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  readonly zones?: readonly string[];
  readonly nodes?: readonly string[];
}

/** A slice of port 8080 named "http". Endpoints are ready and on node2 unless said otherwise. */
export function slice(
  serviceName: string,
  endpoints: readonly EndpointFacts[],
  name = `${serviceName}-1`,
): V1EndpointSlice {
  return {
    metadata: { name, namespace: "shop", labels: { "kubernetes.io/service-name": serviceName } },
    addressType: endpoints[0]?.address.includes(":") ? "IPv6" : "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: endpoints.map(({ address, node = "node2", zones, nodes, ...facts }) => ({
      addresses: [address],
      nodeName: node,
      conditions: {
        ready: facts.ready ?? true,
        serving: facts.serving ?? facts.ready ?? true,
        ...pick(facts.terminating),
      },
      hints: {
        ...(zones && { forZones: zones.map((zone) => ({ name: zone })) }),
        ...(nodes && { forNodes: nodes.map((node) => ({ name: node })) }),
      },
    })),
  };
}

/** A Service port with two endpoints, the first on this node, and one more of its own kind of everything. */
export function servicePort(change: Partial<ServicePort> = {}): ServicePort {
  const near = { address: "10.244.1.7", port: 8080, near: true };
  const far = { address: "10.244.2.7", port: 8080, near: false };
  return {
    name: "shop/web:http",
    family: "ipv4",
    protocol: "tcp",
    port: 80,
    clusterIp: "10.96.0.10",
    externalIps: [],
    loadBalancerIps: [],
    nodePort: 0,
    internalPolicy: "cluster",
    externalPolicy: "cluster",
    cluster: [near, far],
    local: [near],
    affinitySeconds: 0,
    balancing: "random",
    serving: [],
    drain: 0,
    healthCheckNodePort: 0,
    guarded: ["10.96.0.10"],
    ...change,
  };
}

/** Service ports that between them have every kind of frontend, policy and lack of endpoints. */
export const PORTS: Readonly<Record<string, ServicePort>> = {
  "cluster IP": servicePort(),
  "cluster IP, UDP": servicePort({ protocol: "udp", port: 53 }),
  "load balancer with node port": servicePort({ loadBalancerIps: ["192.168.1.100"], nodePort: 30080 }),
  "external IP": servicePort({ externalIps: ["198.51.100.7"] }),
  "external policy Local": servicePort({
    externalPolicy: "local",
    loadBalancerIps: ["192.168.1.100"],
    nodePort: 30080,
    healthCheckNodePort: 32000,
  }),
  "external policy Local, no local endpoint": servicePort({
    externalPolicy: "local",
    loadBalancerIps: ["192.168.1.100"],
    local: [],
  }),
  "internal policy Local": servicePort({ internalPolicy: "local" }),
  "internal policy Local, no local endpoint": servicePort({ internalPolicy: "local", local: [] }),
  "no endpoints": servicePort({ cluster: [], local: [], loadBalancerIps: ["192.168.1.100"], nodePort: 30080 }),
  "source ranges": servicePort({ loadBalancerIps: ["192.168.1.100"], sourceRanges: ["192.0.2.1", "198.51.100.0/24"] }),
  "source ranges, no endpoints": servicePort({
    cluster: [],
    local: [],
    loadBalancerIps: ["192.168.1.100"],
    sourceRanges: ["198.51.100.0/24"],
  }),
  "session affinity": servicePort({ affinitySeconds: 10_800, loadBalancerIps: ["192.168.1.100"], nodePort: 30080 }),
  "session affinity, external policy Local": servicePort({
    affinitySeconds: 90,
    externalPolicy: "local",
    loadBalancerIps: ["192.168.1.100"],
  }),
  weights: servicePort({
    cluster: [
      { address: "10.244.1.7", port: 8080, near: true, weight: 2 },
      { address: "10.244.2.7", port: 8080, near: false },
    ],
  }),
  IPv6: servicePort({
    family: "ipv6",
    clusterIp: "fd00:96::10",
    loadBalancerIps: ["fd00:1::100"],
    nodePort: 30080,
    cluster: [{ address: "fd00:244:1::7", port: 8080, near: true }],
    local: [{ address: "fd00:244:1::7", port: 8080, near: true }],
    guarded: ["fd00:96::10"],
  }),
};

function pick(terminating: boolean | undefined): { terminating?: boolean } {
  return terminating === undefined ? {} : { terminating };
}

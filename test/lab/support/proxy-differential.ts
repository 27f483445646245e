import fc from "fast-check";
import type { V1EndpointSlice, V1Service } from "../../../kube/mod.ts";
import {
  expectedOutcome,
  type Front,
  type ModelEndpoint,
  type ModelService,
  type Source,
} from "../../support/service-model.ts";
import { ADDRESSES, type HostName, type ProxyLab, type RunningProxy, SERVING_PORT } from "./proxy-lab.ts";

type Family = "ipv4" | "ipv6";

/** A Service of a random cluster. Its place in the list gives its addresses and ports. */
export interface RandomService extends ModelService {
  readonly protocol: "TCP" | "UDP";
  readonly type: "ClusterIP" | "NodePort" | "LoadBalancer";
  readonly hasExternalIp: boolean;
}

export interface RandomCluster {
  readonly family: Family;
  readonly services: readonly RandomService[];
}

const policy = fc.constantFrom("Cluster" as const, "Local" as const);
/** Any pod is truly on this node; one said to be elsewhere must not be asked from, it would meet itself. */
const endpoint = fc.record({
  pod: fc.constantFrom("pod1", "pod2", "pod3"),
  onThisNode: fc.boolean(),
  state: fc.constantFrom("ready" as const, "ready" as const, "terminating" as const, "unready" as const),
});
const endpoints = fc
  .uniqueArray(endpoint, { selector: ({ pod }) => pod, maxLength: 3 })
  .map((list) => list.map((each): ModelEndpoint => (each.pod === "pod1" ? { ...each, onThisNode: true } : each)));
const service: fc.Arbitrary<RandomService> = fc
  .record({
    protocol: fc.constantFrom("TCP" as const, "TCP" as const, "TCP" as const, "UDP" as const),
    type: fc.constantFrom("ClusterIP" as const, "NodePort" as const, "LoadBalancer" as const),
    hasExternalIp: fc.boolean(),
    internal: policy,
    external: policy,
    allowed: fc.option(fc.subarray<Source>(["client", "node", "pod1"], { minLength: 1 }), { nil: undefined }),
    endpoints,
  })
  .map(({ allowed, ...rest }) => ({ ...rest, ...(allowed && { allowed }) }));

export const randomCluster: fc.Arbitrary<RandomCluster> = fc.record({
  family: fc.constantFrom("ipv4" as const, "ipv6" as const),
  services: fc.array(service, { minLength: 1, maxLength: 3 }),
});

const GATEWAY = { ipv4: "10.244.1.1", ipv6: "fd00:244:1::1" };
/** Milliseconds; answers take less than one. */
const SILENCE = 150;
/** A pod of three that is not met in so many connections is not used: chance 1 of 10 billion. */
const TRIES = 60;

/** Puts `cluster` in the place of all others, and tries every way to every Service. Throws at the first difference. */
export async function compare(lab: ProxyLab, running: RunningProxy, cluster: RandomCluster): Promise<void> {
  await put(lab, running, cluster);
  for (const [i, each] of cluster.services.entries()) {
    for (const from of ["client", "node", "pod1"] as const) {
      for (const [front, host, port] of frontsOf(each, cluster.family, i)) {
        await probe(lab, each, cluster.family, { from, front, host, port });
      }
    }
  }
}

async function put(lab: ProxyLab, running: RunningProxy, { family, services }: RandomCluster): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const each = services[i];
    if (each === undefined) {
      lab.stores.services.remove(`shop/s${i}`);
      lab.stores.slices.remove(`shop/s${i}`);
    } else {
      lab.stores.services.set(serviceOf(each, family, i));
      lab.stores.slices.set(sliceOf(each, family, i));
    }
  }
  await running.settled();
}

interface Probe {
  readonly from: Source;
  readonly front: Front;
  readonly host: string;
  readonly port: number;
}

async function probe(lab: ProxyLab, service: RandomService, family: Family, { from, front, host, port }: Probe) {
  const { pods, without, masqueraded } = expectedOutcome(service, from, front);
  const source = (pod: string) => (masqueraded(pod) ? GATEWAY[family] : ADDRESSES[from][family]);
  const wanted = new Set(pods.length === 0 ? [without] : pods.map((pod) => `${pod} ${source(pod)}`));
  const seen = new Set<string>();
  const protocol = service.protocol === "TCP" ? ("tcp" as const) : ("udp" as const);
  for (let i = 0; i < TRIES && seen.size < wanted.size; i++) {
    const timeout = wanted.has("silent") ? SILENCE : 1000;
    const answer = await lab.hosts[from].ask(host, port, { protocol, timeout });
    seen.add(answer);
    if (!wanted.has(answer)) break;
  }
  const [got, want] = [[...seen].sort().join(", "), [...wanted].sort().join(", ")];
  if (got !== want) throw new Error(`${from} to the ${front} ${host} port ${port}: got ${got}, want ${want}`);
}

function frontsOf({ type, hasExternalIp }: RandomService, family: Family, i: number): [Front, string, number][] {
  const at = addressesOf(family, i);
  const fronts: [Front, string, number][] = [["cluster IP", at.clusterIp, 80]];
  if (hasExternalIp) fronts.push(["external IP", at.externalIp, 80]);
  if (type !== "ClusterIP") fronts.push(["node port", ADDRESSES.node[family], 30_100 + i]);
  if (type === "LoadBalancer") fronts.push(["load balancer", at.loadBalancerIp, 80]);
  return fronts;
}

function addressesOf(family: Family, i: number) {
  const [service, lan] = family === "ipv4" ? ["10.96.1.", "192.168.1."] : ["fd00:96::2", "fd00:1::"];
  const last = (n: number) => (family === "ipv4" ? `${n}` : `1${n % 100}`);
  return {
    clusterIp: `${service}${i + 1}`,
    loadBalancerIp: `${lan}${last(110 + i)}`,
    externalIp: `${lan}${last(120 + i)}`,
  };
}

function serviceOf(service: RandomService, family: Family, i: number): V1Service {
  const { clusterIp, loadBalancerIp, externalIp } = addressesOf(family, i);
  const length = family === "ipv4" ? 32 : 128;
  return {
    metadata: { name: `s${i}`, namespace: "shop", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: {
      type: service.type,
      clusterIP: clusterIp,
      clusterIPs: [clusterIp],
      ports: [
        { port: 80, protocol: service.protocol, ...(service.type === "ClusterIP" ? {} : { nodePort: 30_100 + i }) },
      ],
      internalTrafficPolicy: service.internal,
      externalTrafficPolicy: service.external,
      ...(service.hasExternalIp && { externalIPs: [externalIp] }),
      ...(service.allowed && {
        loadBalancerSourceRanges: service.allowed.map((from) => `${ADDRESSES[from][family]}/${length}`),
      }),
    },
    status: service.type === "LoadBalancer" ? { loadBalancer: { ingress: [{ ip: loadBalancerIp }] } } : {},
  };
}

function sliceOf(service: RandomService, family: Family, i: number): V1EndpointSlice {
  return {
    metadata: { name: `s${i}`, namespace: "shop", labels: { "kubernetes.io/service-name": `s${i}` } },
    addressType: family === "ipv4" ? "IPv4" : "IPv6",
    ports: [{ port: SERVING_PORT, protocol: service.protocol }],
    endpoints: service.endpoints.map(({ pod, onThisNode, state }) => ({
      addresses: [ADDRESSES[pod as HostName][family]],
      nodeName: onThisNode ? "node1" : "node2",
      conditions: { ready: state === "ready", serving: state !== "unready", terminating: state === "terminating" },
    })),
  };
}

import type { V1EndpointSlice, V1Service } from "../../../kube/mod.ts";
import { podSlice, type Stores, webService } from "./proxy-lab.ts";

/** What the cluster says: Service "web" never changes, those of the crowd change all of their endpoints with each turn. */
export interface Crowd {
  readonly size: number;
  readonly turn: number;
}

export function putCrowd({ services, slices }: Stores, { size, turn }: Crowd): void {
  services.set(webService());
  for (const family of ["ipv4", "ipv6"] as const) slices.set(podSlice(family, { pod1: {}, pod2: {} }));
  for (let i = 0; i < size; i++) {
    services.set(serviceOf(i));
    slices.set(sliceOf(i, turn));
  }
}

function serviceOf(i: number): V1Service {
  const clusterIP = `10.96.${16 + (i >> 8)}.${i & 255}`;
  return {
    metadata: { name: `s${i}`, namespace: "crowd", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { type: "ClusterIP", clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80 }] },
    status: {},
  };
}

/** Two endpoints in even turns, three others in odd ones. */
function sliceOf(i: number, turn: number): V1EndpointSlice {
  const odd = turn % 2;
  const addresses = Array.from({ length: 2 + odd }, (_, e) => `10.245.${e + 8 * odd + 16 * (i >> 8)}.${i & 255}`);
  return {
    metadata: { name: `s${i}`, namespace: "crowd", labels: { "kubernetes.io/service-name": `s${i}` } },
    addressType: "IPv4",
    ports: [{ port: 8080 }],
    endpoints: addresses.map((address) => ({ addresses: [address], nodeName: "node2", conditions: { ready: true } })),
  };
}

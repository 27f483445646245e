import { ENDPOINT_SLICES, type KubeClient, SERVICES } from "../kube/mod.ts";
import { DNS_SERVICE_ADDRESS, LAN_ADDRESS } from "./address-plan.ts";

const NAME = { namespace: "kube-system", name: "kube-dns" };
const LABELS = {
  "k8s-app": "kube-dns",
  "kubernetes.io/cluster-service": "true",
  "kubernetes.io/name": "CoreDNS",
};
const PORTS = [
  { name: "dns", protocol: "UDP", port: 53 },
  { name: "dns-tcp", protocol: "TCP", port: 53 },
];

/** Makes the Service every pod's resolv.conf names. It has no selector: what answers runs on the LAN, not in a pod. */
export async function createDnsService(client: KubeClient): Promise<void> {
  await client.create(SERVICES, {
    apiVersion: "v1",
    kind: "Service",
    metadata: { ...NAME, labels: LABELS },
    spec: { type: "ClusterIP", clusterIP: DNS_SERVICE_ADDRESS, ports: PORTS },
  });
  await client.create(ENDPOINT_SLICES, {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { ...NAME, labels: { ...LABELS, "kubernetes.io/service-name": NAME.name } },
    addressType: "IPv4",
    ports: PORTS,
    endpoints: [{ addresses: [LAN_ADDRESS], conditions: { ready: true } }],
  });
}

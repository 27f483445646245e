import { ENDPOINT_SLICES, type KubeClient, NAMESPACES, refusalStatus, SERVICES, type V1Service } from "../kube/mod.ts";
import { API_PORT, DNS_SERVICE_ADDRESS, KUBERNETES_SERVICE_ADDRESS, LAN_ADDRESS } from "./address-plan.ts";

type Port = NonNullable<NonNullable<V1Service["spec"]>["ports"]>[number];

/** A Service of the cluster itself: no selector, because what answers runs outside the pod network. */
interface ClusterService {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIP: string;
  readonly ports: readonly Port[];
  readonly labels: Readonly<Record<string, string>>;
}

const CLUSTER_SERVICES: readonly ClusterService[] = [
  {
    namespace: "default",
    name: "kubernetes",
    clusterIP: KUBERNETES_SERVICE_ADDRESS,
    ports: [{ name: "http", protocol: "TCP", port: 80, targetPort: API_PORT }],
    labels: { component: "apiserver", provider: "kubernetes" },
  },
  {
    namespace: "kube-system",
    name: "kube-dns",
    clusterIP: DNS_SERVICE_ADDRESS,
    ports: [
      { name: "dns", protocol: "UDP", port: 53, targetPort: 53 },
      { name: "dns-tcp", protocol: "TCP", port: 53, targetPort: 53 },
    ],
    labels: { "k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS" },
  },
];

/** Makes the Services every cluster has, `kubernetes` and `kube-dns`, both answered from the LAN's address. */
export async function createClusterServices(client: KubeClient): Promise<void> {
  for (const service of CLUSTER_SERVICES) {
    const { namespace, name, labels, clusterIP, ports } = service;
    await unlessThere(
      client.create(NAMESPACES, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }),
    );
    await unlessThere(
      client.create(SERVICES, {
        apiVersion: "v1",
        kind: "Service",
        metadata: { namespace, name, labels },
        spec: { type: "ClusterIP", clusterIP, ports: [...ports] },
      }),
    );
    await unlessThere(
      client.create(ENDPOINT_SLICES, {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { namespace, name, labels: { ...labels, "kubernetes.io/service-name": name } },
        addressType: "IPv4",
        ports: ports.map(({ name: port = "", protocol = "TCP", targetPort }) => ({
          name: port,
          protocol,
          port: Number(targetPort),
        })),
        endpoints: [{ addresses: [LAN_ADDRESS], conditions: { ready: true } }],
      }),
    );
  }
}

/** The API server may have made some of them itself. */
async function unlessThere(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (refusalStatus(error) !== 409) throw error;
  }
}

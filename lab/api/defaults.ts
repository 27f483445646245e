import { parsePrefix, printAddress, tryParseAddress } from "../../net/mod.ts";
import type { Api } from "./api.ts";
import type { Json, JsonObject } from "./json.ts";

const NAMESPACES = ["default", "kube-system", "kube-public", "kube-node-lease", "ironbridge-system"];

/** Where programs in the cluster reach the API through the Service `kubernetes`. */
export interface Advertised {
  readonly host: string;
  readonly port: number;
}

/**
 * Makes what every cluster has from its first second; keeps what a snapshot brought back.
 * @param serviceCidrs Where cluster IPs are given from; at least one.
 */
export function createDefaults(
  api: Api,
  crds: readonly object[],
  serviceCidrs: readonly string[],
  advertised: Advertised,
): void {
  for (const name of NAMESPACES) ensure(api, "", "v1", "namespaces", "", { metadata: { name } });
  for (const crd of crds) {
    ensure(api, "apiextensions.k8s.io", "v1", "customresourcedefinitions", "", crd as JsonObject);
  }
  const cidrs = { metadata: { name: "kubernetes" }, spec: { cidrs: serviceCidrs } };
  ensure(api, "networking.k8s.io", "v1", "servicecidrs", "", cidrs);
  ensure(api, "", "v1", "services", "default", kubernetesService(firstAddress(serviceCidrs[0]!)));
  ensure(api, "discovery.k8s.io", "v1", "endpointslices", "default", kubernetesSlice(advertised));
}

/** The first usable address of the prefix: by convention that of the Service `kubernetes`. */
function firstAddress(cidr: string): string {
  const { family, first } = parsePrefix(cidr);
  return printAddress({ family, value: first + 1n });
}

function kubernetesService(clusterIp: string): JsonObject {
  return {
    metadata: { name: "kubernetes", labels: { component: "apiserver", provider: "kubernetes" } },
    spec: { clusterIP: clusterIp, ports: [{ name: "https", port: 443, targetPort: 6443 }] },
  };
}

function kubernetesSlice({ host, port }: Advertised): JsonObject {
  return {
    metadata: { name: "kubernetes", labels: { "kubernetes.io/service-name": "kubernetes" } },
    addressType: tryParseAddress(host)?.family === "ipv6" ? "IPv6" : "IPv4",
    endpoints: [{ addresses: [host], conditions: { ready: true } }],
    ports: [{ name: "https", port, protocol: "TCP" }],
  };
}

/** Creates the object, or brings an older one up to what is wanted now. */
function ensure(api: Api, group: string, version: string, plural: string, namespace: string, object: JsonObject): void {
  const resource = api.registry.find(group, version, plural)!;
  const name = (object.metadata as JsonObject).name as string;
  if (api.store.get(resource.storage, namespace, name) === undefined) api.create(resource, namespace, object as Json);
  else api.patch({ resource, namespace, name }, { kind: "merge", body: object }, "object");
}

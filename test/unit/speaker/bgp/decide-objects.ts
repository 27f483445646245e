import { type BGPAdvertisement, resolveConfig } from "../../../../config/mod.ts";
import type { V1EndpointSlice, V1Node, V1Service } from "../../../../kube/mod.ts";
import { type BgpAdvertOptions, bgpAdvertOptionsOf } from "../../../../speaker/bgp/advert-options.ts";
import type { BgpConfig } from "../../../../speaker/bgp/decide.ts";

/** Objects that routes are decided from: one node, one pool of both families, a Service and where its endpoints are. */
const NS = "metallb-system";
export const node: V1Node = { metadata: { name: "node1", labels: { rack: "a" } } };

export function advert(
  spec: BGPAdvertisement["spec"] = {},
  name = "all",
  annotations: Record<string, string> = {},
): BGPAdvertisement {
  return { metadata: { name, namespace: NS, annotations }, spec };
}

export function configOf(...bgpAdvertisements: readonly BGPAdvertisement[]): BgpConfig {
  const pools = [{ metadata: { name: "pool", namespace: NS }, spec: { addresses: ["10.0.0.0/24", "2001:db8::/112"] } }];
  const config = resolveConfig({
    pools,
    l2Advertisements: [],
    bgpAdvertisements,
    nodes: [node.metadata?.labels ?? {}],
  });
  const advertOptions = new Map<string, BgpAdvertOptions>(
    bgpAdvertisements.map((object) => [`${NS}/${object.metadata?.name}`, bgpAdvertOptionsOf(object).options]),
  );
  return { ...config, advertOptions };
}

export function service(
  more: Partial<V1Service["spec"]> = {},
  ips = ["10.0.0.5"],
  metadata: V1Service["metadata"] = {},
): V1Service {
  return {
    metadata: { name: "web", namespace: "default", ...metadata },
    spec: { type: "LoadBalancer", ...more },
    status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
  };
}

export function slice(...endpoints: readonly (readonly [node: string, conditions: object])[]): V1EndpointSlice {
  return {
    metadata: { name: "web-1", namespace: "default" },
    addressType: "IPv4",
    endpoints: endpoints.map(([nodeName, conditions]) => ({ nodeName, addresses: ["10.244.0.1"], conditions })),
  };
}

export const here = slice(["node1", { ready: true }]);
export const elsewhere = slice(["node2", { ready: true }]);

import type { Store, V1Node } from "../kube/mod.ts";
import { canonicalAddresses } from "./canonical.ts";
import type { Place } from "./endpoints.ts";

/** What this node's rules depend on beside Services and their slices. */
export interface Surroundings extends Place {
  /**
   * Addresses of this node, where node ports are reached: what Node.status names as InternalIP and ExternalIP, not every
   * address of every interface and never loopback. kube-proxy's nftables mode calls this "primary".
   */
  readonly addresses: readonly string[];
  /** Addresses of every node of the cluster. */
  readonly nodeAddresses: ReadonlySet<string>;
}

export function surroundingsOf(nodes: Store<V1Node>, node: string): Surroundings {
  const own = nodes.get(node);
  const zone = zoneOf(own);
  return {
    node,
    ...(zone === undefined ? {} : { zone }),
    addresses: addressesOf(own),
    nodeAddresses: new Set(nodes.list().flatMap(addressesOf)),
  };
}

/** Canonical addresses of `node`, sorted. */
export function addressesOf(node: V1Node | undefined): string[] {
  const addresses = (node?.status?.addresses ?? []).filter(
    ({ type }) => type === "InternalIP" || type === "ExternalIP",
  );
  return canonicalAddresses(addresses.map(({ address }) => address)).sort();
}

export function zoneOf(node: V1Node | undefined): string | undefined {
  return node?.metadata?.labels?.["topology.kubernetes.io/zone"];
}

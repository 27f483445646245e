import type { Store, V1Node } from "../kube/mod.ts";
import { canonicalAddresses } from "./canonical.ts";
import type { Place } from "./endpoints.ts";

/** What this node's rules depend on beside Services and their slices. */
export interface Surroundings extends Place {
  /** Addresses of this node that Node.status names as InternalIP and ExternalIP. */
  readonly addresses: readonly string[];
  /**
   * Where node ports are reached: the same unless the operator chose others, not every address of every interface and
   * never loopback. kube-proxy's nftables mode calls this "primary".
   */
  readonly nodePortAddresses: readonly string[];
  /** Addresses of every node of the cluster. */
  readonly nodeAddresses: ReadonlySet<string>;
}

/** @param nodePortAddresses Absent: those that Node.status names. */
export function surroundingsOf(
  nodes: Store<V1Node>,
  node: string,
  nodePortAddresses?: readonly string[],
): Surroundings {
  const own = nodes.get(node);
  const zone = zoneOf(own);
  return {
    node,
    ...(zone === undefined ? {} : { zone }),
    addresses: addressesOf(own),
    nodePortAddresses: nodePortAddresses ?? addressesOf(own),
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

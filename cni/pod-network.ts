import type { V1Node } from "../kube/mod.ts";
import { type Address, type Prefix, parsePrefix, tryParseAddress } from "../net/mod.ts";

/** What the cluster says about the pod network of one node. */
export interface PodNetwork {
  /** The node's own pod prefixes, at most one per family, the cluster's main family first. */
  readonly prefixes: readonly Prefix[];
  /** Where other nodes reach this one. */
  readonly addresses: readonly Address[];
}

/**
 * Reads the pod network of `node`; undefined as long as nobody gave it a pod prefix, which takes some seconds after it
 * joined. Prefixes that can't be read count as not there: the API server checks them.
 */
export function podNetworkOf(node: V1Node | undefined): PodNetwork | undefined {
  const texts = node?.spec?.podCIDRs ?? (node?.spec?.podCIDR ? [node.spec.podCIDR] : []);
  if (texts.length === 0) return undefined;
  const addresses = (node?.status?.addresses ?? [])
    .filter(({ type }) => type === "InternalIP")
    .map(({ address }) => tryParseAddress(address))
    .filter((address) => address !== undefined);
  return { prefixes: texts.map(parsePrefix), addresses };
}

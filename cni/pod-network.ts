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
 * joined.
 * @throws {IronbridgeError} IB_ADDRESS_INVALID
 */
export function podNetworkOf(node: V1Node | undefined): PodNetwork | undefined {
  if (node === undefined) return undefined;
  const prefixes = podPrefixes(node);
  return prefixes.length === 0 ? undefined : { prefixes, addresses: internalAddresses(node) };
}

/** @throws {IronbridgeError} IB_ADDRESS_INVALID */
export function podPrefixes({ spec }: V1Node): Prefix[] {
  const texts = spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);
  return texts.map(parsePrefix);
}

/** The addresses by which other nodes reach `node`. */
export function internalAddresses({ status }: V1Node): Address[] {
  return (status?.addresses ?? [])
    .filter(({ type }) => type === "InternalIP")
    .map(({ address }) => tryParseAddress(address))
    .filter((address) => address !== undefined);
}

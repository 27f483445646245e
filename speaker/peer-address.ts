import type { V1Node } from "../kube/mod.ts";
import { type Family, printAddress, tryParseAddress } from "../net/mod.ts";
import type { PeerAddress } from "./l2/message.ts";
import { isOutOfService } from "./node-condition.ts";

/**
 * The other nodes and the address their agents listen on: an IPv4 one if there is one. A node that is surely off is none
 * of them, whatever is still heard from it.
 */
export function peersOf(nodes: readonly V1Node[], self: string): PeerAddress[] {
  return nodes.flatMap((node) => {
    const name = node.metadata?.name ?? self;
    const internal = internalAddresses(node);
    const of = (family: Family) => internal.find((each) => tryParseAddress(each)?.family === family);
    const address = of("ipv4") ?? of("ipv6");
    return name === self || address === undefined || isOutOfService(node) ? [] : [{ name, address }];
  });
}

/** The addresses of a node inside the cluster, of both families, in canonical form. */
export function internalAddresses({ status }: V1Node): readonly string[] {
  const internal = (status?.addresses ?? []).filter(({ type }) => type === "InternalIP");
  return internal.flatMap(({ address }) => {
    const parsed = tryParseAddress(address);
    return parsed === undefined ? [] : [printAddress(parsed)];
  });
}

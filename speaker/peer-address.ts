import type { V1Node } from "../kube/mod.ts";
import { tryParseAddress } from "../net/mod.ts";
import type { PeerAddress } from "./l2/message.ts";

/** The other nodes and the IPv4 address their agents listen on. */
export function peersOf(nodes: readonly V1Node[], self: string): PeerAddress[] {
  return nodes.flatMap(({ metadata, status }) => {
    const name = metadata?.name ?? self;
    const address = (status?.addresses ?? []).find(
      (each) => each.type === "InternalIP" && tryParseAddress(each.address)?.family === "ipv4",
    );
    return name === self || address === undefined ? [] : [{ name, address: address.address }];
  });
}

import type { Rtnetlink } from "../linux/mod.ts";
import { type Address, BRIDGE_NAME, type Prefix, prefixOf, sameAddress } from "../net/mod.ts";

/** The interface by which other nodes reach this one. */
export interface Uplink {
  readonly ifindex: number;
  /** Octets. */
  readonly mtu: number;
  /** The node's main address. */
  readonly address: Address;
  /** What is reached over it without a router. */
  readonly connected: readonly Prefix[];
}

/**
 * Finds the interface that has one of the node's addresses, in the order of the Node object; undefined when none has, as
 * on a machine whose address is translated on the way.
 */
export function findUplink(
  kernel: Pick<Rtnetlink, "addresses" | "links">,
  addresses: readonly Address[],
): Uplink | undefined {
  const present = kernel.addresses();
  const links = new Map(kernel.links().map((link) => [link.index, link]));
  for (const address of addresses) {
    const entry = present.find((each) => sameAddress(each.address, address));
    const link = entry && links.get(entry.ifindex);
    if (entry === undefined || link === undefined || link.name === BRIDGE_NAME) continue;
    const connected = present.filter(({ ifindex }) => ifindex === link.index);
    return {
      ifindex: link.index,
      mtu: link.mtu,
      address,
      connected: connected.map((each) => prefixOf(each.address, each.length)),
    };
  }
  return undefined;
}

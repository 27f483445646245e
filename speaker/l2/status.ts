import type { Peer } from "../member-table.ts";
import type { Holdings } from "./holdings.ts";
import type { OwnState, Status } from "./message.ts";

/** Who announces what, from the claims of all members and from what this node does itself. */
export function addressStatus(
  node: string,
  holdings: Holdings,
  peers: readonly Peer[],
  interfacesOf: (address: string) => readonly string[],
): Status["addresses"] {
  const addresses: Record<string, { holder?: string; own?: OwnState }> = {};
  const entryOf = (address: string) => {
    addresses[address] ??= {};
    return addresses[address];
  };
  for (const { name, claims } of peers) {
    for (const [address, { stance }] of claims) {
      const entry = entryOf(address);
      if (stance === "holds") entry.holder = name;
    }
  }
  for (const [address, { stance, score }] of holdings) {
    const entry = entryOf(address);
    entry.own = { stance, score, interfaces: interfacesOf(address) };
    if (stance === "holds") entry.holder = node;
  }
  return addresses;
}

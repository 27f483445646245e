import type { Peer } from "../member-table.ts";

/** By address: the member whose kernel knows the connections that are open to it. */
export type Keepers = ReadonlyMap<string, string>;

/**
 * Who keeps the connections of `addresses`: the member that holds an address, or held it last before this node. As long as
 * its kernel lives, whatever became of its program. Pure.
 */
export function keepersOf(before: Keepers, addresses: Iterable<string>, peers: readonly Peer[]): Keepers {
  const living = new Set(peers.filter(({ kernelLives }) => kernelLives).map(({ name }) => name));
  const holders = new Map<string, string>();
  for (const { name, claims } of peers) {
    for (const [address, { stance }] of claims) if (stance === "holds") holders.set(address, name);
  }
  const keepers = new Map<string, string>();
  for (const address of addresses) {
    const keeper = holders.get(address) ?? before.get(address);
    if (keeper !== undefined && living.has(keeper)) keepers.set(address, keeper);
  }
  return keepers;
}

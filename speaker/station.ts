import { crc32 } from "node:zlib";
import { type Prefix, printMac, printPrefix } from "../net/mod.ts";

/**
 * The hardware addresses of a member, by a number for each network that it is on: others can give them in its name, also on
 * networks on which they know no address of it.
 */
export type Stations = ReadonlyMap<number, string>;

export const NO_STATIONS: Stations = new Map();

/** What an interface tells of its network. */
export interface NetworkEnd {
  readonly name: string;
  readonly mac: Uint8Array;
  readonly subnets: readonly Prefix[];
}

export function stationsOf(ends: readonly NetworkEnd[]): Stations {
  return new Map(ends.flatMap((end) => networksOf(end).map((network) => [network, printMac(end.mac)])));
}

/** The hardware address of the member with `stations` on the network of `end`; undefined when it is not there. */
export function macOn(end: Omit<NetworkEnd, "mac">, stations: Stations): string | undefined {
  const network = networksOf(end).find((each) => stations.has(each));
  return network === undefined ? undefined : stations.get(network);
}

export function sameStations(a: Stations, b: Stations): boolean {
  return a.size === b.size && [...a].every(([network, mac]) => b.get(network) === mac);
}

/** The same on all nodes for one network: by its subnets, or by the name of the interface where one of them has no address. */
function networksOf({ name, subnets }: Omit<NetworkEnd, "mac">): readonly number[] {
  return [...subnets.map(printPrefix), name].map((text) => crc32(text));
}

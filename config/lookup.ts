import { type Address, rangeContains } from "../net/mod.ts";
import type { Advert, BgpAdvert, Config, L2Advert, Pool } from "./model.ts";
import { matchesAny } from "./selector.ts";

/** The pool that all of `addresses` belong to; undefined when there is none, or more than one would be needed. */
export function poolOf(config: Pick<Config, "pools">, addresses: readonly Address[]): Pool | undefined {
  if (addresses.length === 0) return undefined;
  return config.pools.find((pool) => addresses.every((address) => poolHas(pool, address)));
}

/** True when the pool may give out `address`. */
function poolHas(pool: Pool, address: Address): boolean {
  if (pool.avoidBuggyIps && isBuggyAddress(address)) return false;
  if (pool.holes.some((hole) => rangeContains(hole, address))) return false;
  return pool.ranges.some((range) => rangeContains(range, address));
}

/**
 * True for an IPv4 address ending in .0 or .255, which some old routers take for a network or broadcast address
 * whatever the prefix length.
 */
export function isBuggyAddress(address: Address): boolean {
  if (address.family !== "ipv4") return false;
  const last = address.value & 0xffn;
  return last === 0n || last === 0xffn;
}

/** The L2 advertisements that announce addresses of `pool`: named, matched by label, or not limited to any pool. */
export function advertisementsOf(config: Pick<Config, "l2Advertisements">, pool: Pool): readonly L2Advert[] {
  return config.l2Advertisements.filter((advert) => announcesPool(advert, pool));
}

/** The BGP advertisements that announce addresses of `pool`. */
export function bgpAdvertisementsOf(config: Pick<Config, "bgpAdvertisements">, pool: Pool): readonly BgpAdvert[] {
  return config.bgpAdvertisements.filter((advert) => announcesPool(advert, pool));
}

export function announcesPool({ pools, poolSelectors }: Advert, pool: Pool): boolean {
  if (pools.length === 0 && poolSelectors.length === 0) return true;
  return pools.includes(pool.name) || matchesAny(poolSelectors, pool.labels);
}

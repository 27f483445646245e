import type { Link, LinkAddress } from "../../linux/mod.ts";
import { type Address, type Family, isLinkLocal, prefixContains, prefixOf } from "../../net/mod.ts";

/** The interfaces of this node and their addresses, as the sessions need them. Pure. */
export interface Host {
  readonly links: readonly Link[];
  readonly addresses: readonly LinkAddress[];
}

/**
 * What routes are to point at in a session from `local`: its own address, and of the other family one of the same
 * interface.
 * @param extended IPv4 routes may point at IPv6 addresses: RFC 8950.
 */
export function nextHopsOf(
  host: Host,
  local: Address,
  extended: boolean,
): Readonly<Record<Family, readonly Address[]>> {
  const own = host.addresses.find(({ address }) => address.family === local.family && address.value === local.value);
  const beside = host.addresses
    .filter(({ ifindex, address }) => ifindex === own?.ifindex && !isLinkLocal(address))
    .map(({ address }) => address);
  const firstOf = (family: Family) => beside.filter((address) => address.family === family).slice(0, 1);
  if (local.family === "ipv4") return { ipv4: [local], ipv6: firstOf("ipv6") };
  // RFC 2545 section 3: a link-local address goes behind a global one.
  const ipv6 = isLinkLocal(local) ? [...firstOf("ipv6"), local] : [local];
  return { ipv4: extended ? ipv6 : firstOf("ipv4"), ipv6 };
}

/** True when `address` is on a network of this node. */
export function isConnected(host: Host, address: Address): boolean {
  if (isLinkLocal(address)) return true;
  return host.addresses.some(
    (own) => own.address.family === address.family && prefixContains(prefixOf(own.address, own.length), address),
  );
}

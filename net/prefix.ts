import { IronbridgeError } from "../core/mod.ts";
import { ADDRESS_BITS, type Address, type Family, parseAddress, printAddress, tryParseAddress } from "./address.ts";

/** A prefix in CIDR notation: the network, without host bits. */
export interface Prefix {
  readonly family: Family;
  /** The network address as a number, host bits zero. */
  readonly first: bigint;
  /** 0 to 32 or 128. */
  readonly length: number;
}

/** A run of addresses, both ends included. */
export interface Range {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * Reads `address/length`. Host bits are allowed and dropped, as MetalLB and Kubernetes do.
 * @throws {IronbridgeError} IB_ADDRESS_INVALID
 */
export function parsePrefix(text: string): Prefix {
  const [addressText = "", lengthText = "", ...rest] = text.split("/");
  const address = tryParseAddress(addressText.trim());
  const length = /^\d{1,3}$/.test(lengthText) ? Number(lengthText) : Number.NaN;
  if (address === undefined || rest.length > 0 || !(length <= ADDRESS_BITS[address.family])) {
    throw new IronbridgeError("IB_ADDRESS_INVALID", `"${text}" is not a prefix such as 192.0.2.0/24 or 2001:db8::/64`);
  }
  return prefixOf(address, length);
}

/** The prefix of `length` bits that `address` lies in. */
export function prefixOf(address: Address, length: number): Prefix {
  const hostBits = BigInt(ADDRESS_BITS[address.family] - length);
  return { family: address.family, first: (address.value >> hostBits) << hostBits, length };
}

export function printPrefix(prefix: Prefix): string {
  return `${printAddress({ family: prefix.family, value: prefix.first })}/${prefix.length}`;
}

/** First to last address of the prefix, network and broadcast included. */
export function prefixRange(prefix: Prefix): Range {
  const size = 1n << BigInt(ADDRESS_BITS[prefix.family] - prefix.length);
  return { family: prefix.family, first: prefix.first, last: prefix.first + size - 1n };
}

export function prefixContains(prefix: Prefix, address: Address): boolean {
  return rangeContains(prefixRange(prefix), address);
}

/**
 * Reads a prefix or `first-last` (white space around the dash allowed), as IPAddressPool.spec.addresses has them.
 * @throws {IronbridgeError} IB_ADDRESS_INVALID for malformed text, mixed families, or a range that runs backwards.
 */
export function parseRange(text: string): Range {
  if (!text.includes("-")) return prefixRange(parsePrefix(text));
  const [firstText = "", lastText = "", ...rest] = text.split("-");
  const first = parseAddress(firstText.trim());
  const last = parseAddress(lastText.trim());
  if (rest.length > 0 || first.family !== last.family) {
    throw new IronbridgeError("IB_ADDRESS_INVALID", `"${text}" is not a range of one address family`);
  }
  if (first.value > last.value) {
    throw new IronbridgeError("IB_ADDRESS_INVALID", `"${text}" runs backwards: its first address is after its last`);
  }
  return { family: first.family, first: first.value, last: last.value };
}

/** The fewest prefixes that together are exactly `range`, lowest first. */
export function rangePrefixes({ family, first, last }: Range): readonly Prefix[] {
  const bits = ADDRESS_BITS[family];
  const prefixes: Prefix[] = [];
  for (let start = first; start <= last; ) {
    let hostBits = 0;
    while (hostBits < bits && (start >> BigInt(hostBits)) % 2n === 0n && endOf(start, hostBits + 1) <= last) hostBits++;
    prefixes.push({ family, first: start, length: bits - hostBits });
    start = endOf(start, hostBits) + 1n;
  }
  return prefixes;
}

function endOf(start: bigint, hostBits: number): bigint {
  return start + (1n << BigInt(hostBits)) - 1n;
}

export function printRange(range: Range): string {
  const print = (value: bigint) => printAddress({ family: range.family, value });
  return `${print(range.first)}-${print(range.last)}`;
}

export function rangeContains(range: Range, address: Address): boolean {
  return range.family === address.family && range.first <= address.value && address.value <= range.last;
}

export function rangesOverlap(a: Range, b: Range): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

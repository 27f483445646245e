import { Address4, Address6 } from "ip-address";
import { IronbridgeError } from "../core/mod.ts";

export type Family = "ipv4" | "ipv6";

/** One IP address. */
export interface Address {
  readonly family: Family;
  /** The address as an unsigned number, network order: 0 to 2^32-1 or 2^128-1. */
  readonly value: bigint;
}

/** Bits of an address of each family. */
export const ADDRESS_BITS = { ipv4: 32, ipv6: 128 } as const satisfies Record<Family, number>;

/**
 * Reads an address in any of its spellings; an IPv4-mapped IPv6 address is an IPv6 address.
 * @throws {IronbridgeError} IB_ADDRESS_INVALID, with the text that was refused.
 */
export function parseAddress(text: string): Address {
  const address = tryParseAddress(text);
  if (address === undefined) throw new IronbridgeError("IB_ADDRESS_INVALID", `"${text}" is not an IP address`);
  return address;
}

/** As parseAddress(), but undefined for what is not an address. Zone ids, prefixes and ports are not addresses. */
export function tryParseAddress(text: string): Address | undefined {
  if (text.includes("/") || text.includes("%")) return undefined;
  try {
    return text.includes(":")
      ? { family: "ipv6", value: new Address6(text).bigInt() }
      : { family: "ipv4", value: new Address4(text).bigInt() };
  } catch {
    return undefined; // ip-address reports every malformed text by throwing; absence is the answer here
  }
}

/** The canonical text: dotted decimal, or RFC 5952 lower case. */
export function printAddress(address: Address): string {
  return address.family === "ipv4" ? printIpv4(Number(address.value)) : printIpv6(address.value);
}

/** True when both are the same address of the same family. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.family === b.family && a.value === b.value;
}

/** fe80::/10: it means something on its own link only. */
export function isLinkLocal({ family, value }: Address): boolean {
  return family === "ipv6" && value >> 118n === 0x3fan;
}

/** Order for listings and lowest-first choices: IPv4 before IPv6, then by number. */
export function compareAddresses(a: Address, b: Address): number {
  if (a.family !== b.family) return a.family === "ipv4" ? -1 : 1;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/** 4 or 16 octets, network order. */
export function addressToBytes(address: Address): Uint8Array {
  const out = new Uint8Array(ADDRESS_BITS[address.family] / 8);
  let rest = address.value;
  for (let i = out.length - 1; i >= 0; i--) {
    out[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}

/**
 * @param bytes 4 octets for IPv4, 16 for IPv6, network order.
 * @throws {IronbridgeError} IB_WIRE_TRUNCATED for any other length.
 */
export function addressFromBytes(bytes: Uint8Array): Address {
  if (bytes.length !== 4 && bytes.length !== 16) {
    throw new IronbridgeError("IB_WIRE_TRUNCATED", `an address of ${bytes.length} octets, want 4 or 16`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length === 4) return { family: "ipv4", value: BigInt(view.getUint32(0)) };
  return { family: "ipv6", value: (view.getBigUint64(0) << 64n) | view.getBigUint64(8) };
}

function printIpv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 0xff}.${(value >>> 8) & 0xff}.${value & 0xff}`;
}

/** RFC 5952, section 4. By hand: of ip-address it would be half of what giving a Service an address costs. */
function printIpv6(value: bigint): string {
  const digits = value.toString(16).padStart(32, "0");
  const groups = Array.from({ length: 8 }, (_, i) => Number.parseInt(digits.slice(4 * i, 4 * i + 4), 16));
  const { start, length } = longestZeros(groups);
  const print = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return print(groups);
  return `${print(groups.slice(0, start))}::${print(groups.slice(start + length))}`;
}

/** The first of the longest runs of groups that are zero. */
function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let [start, length, run] = [0, 0, 0];
  for (const [i, group] of groups.entries()) {
    run = group === 0 ? run + 1 : 0;
    if (run > length) [start, length] = [i + 1 - run, run];
  }
  return { start, length };
}

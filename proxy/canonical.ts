import {
  ADDRESS_BITS,
  type Family,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixOf,
  printAddress,
  printPrefix,
  tryParseAddress,
} from "../net/mod.ts";

/**
 * The canonical text of an address, or undefined when it is not one of `family`.
 * IPv4 octets may have leading zeros and are decimal all the same, as in the rest of Kubernetes (CVE-2021-29923).
 */
export function canonicalAddress(text: string, family: Family): string | undefined {
  if (family === "ipv4") return canonicalIpv4(text);
  const address = text.includes(":") ? tryParseAddress(text) : undefined;
  return address === undefined ? undefined : printAddress(address);
}

/** The canonical texts of all that are addresses, each once. */
export function canonicalAddresses(texts: readonly string[]): string[] {
  const addresses = texts.map((text) => canonicalAddress(text, familyOf(text)));
  return [...new Set(addresses.filter((address) => address !== undefined))];
}

/** The family a text is of if it is an address or a prefix at all. */
export function familyOf(text: string): Family {
  return text.includes(":") ? "ipv6" : "ipv4";
}

/**
 * The prefixes as canonical text, sorted, without those that lie inside another one: interval sets refuse overlaps.
 * A prefix of one address is printed as the address alone.
 */
export function canonicalPrefixes(prefixes: readonly Prefix[]): string[] {
  const widestFirst = [...prefixes].sort((a, b) => a.length - b.length);
  const kept: Prefix[] = [];
  for (const prefix of widestFirst) {
    if (!kept.some((other) => covers(other, prefix))) kept.push(prefix);
  }
  return kept.map(printShort).sort();
}

/** The prefix of `length` bits that `address`, canonical text, lies in; canonical text as well. */
export function prefixAround(address: string, length: number): string {
  if (address.includes(":")) return printPrefix(prefixOf(parseAddress(address), length));
  const value = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const first = value - (value % 2 ** (32 - length));
  return `${[24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join(".")}/${length}`;
}

/** The prefix `text` means, or undefined; white space around it is allowed, as API validation allows it. */
export function tryParsePrefix(text: string): Prefix | undefined {
  try {
    return parsePrefix(text.trim());
  } catch {
    return undefined; // parsePrefix() reports malformed text by throwing; absence is the answer here
  }
}

function covers(outer: Prefix, inner: Prefix): boolean {
  const hostBits = BigInt(ADDRESS_BITS[outer.family] - outer.length);
  return (
    outer.family === inner.family && outer.length <= inner.length && inner.first >> hostBits === outer.first >> hostBits
  );
}

function printShort(prefix: Prefix): string {
  const isHost = prefix.length === ADDRESS_BITS[prefix.family];
  return isHost ? printAddress({ family: prefix.family, value: prefix.first }) : printPrefix(prefix);
}

/** Nearly every address there is, so it need not be taken apart: 25,000 of them at a start with 5,000 Services. */
const CANONICAL_IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

function canonicalIpv4(text: string): string | undefined {
  if (CANONICAL_IPV4.test(text)) return text;
  if (!/^\d{1,4}(\.\d{1,4}){3}$/.test(text)) return undefined;
  const octets = text.split(".").map(Number);
  return octets.every((octet) => octet <= 255) ? octets.join(".") : undefined;
}

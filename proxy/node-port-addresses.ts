import { type Address, type Prefix, parsePrefix, prefixContains, printAddress } from "../net/mod.ts";

const LOOPBACK = { ipv4: parsePrefix("127.0.0.0/8"), ipv6: parsePrefix("::1/128") } as const;
const LINK_LOCAL = parsePrefix("fe80::/10");

/**
 * Which of a node's own addresses have node ports: those inside `chosen`, all of a family without a prefix in it.
 * Loopback addresses must be named, by a prefix inside 127.0.0.0/8, and are never chosen in IPv6, where the kernel
 * does not forward them.
 * @returns Canonical text, sorted.
 */
export function nodePortAddresses(chosen: readonly Prefix[], own: readonly Address[]): string[] {
  const has = (address: Address) => {
    if (prefixContains(LOOPBACK[address.family], address)) {
      return chosen.some((prefix) => isLoopback(prefix) && prefixContains(prefix, address));
    }
    const ofFamily = chosen.filter(({ family }) => family === address.family);
    return (
      !prefixContains(LINK_LOCAL, address) &&
      (ofFamily.length === 0 || ofFamily.some((prefix) => prefixContains(prefix, address)))
    );
  };
  return [...new Set(own.filter(has).map(printAddress))].sort();
}

/** True when node ports on IPv4's localhost were asked for. */
export function wantsLocalhost(chosen: readonly Prefix[]): boolean {
  return chosen.some(isLoopback);
}

function isLoopback({ family, first, length }: Prefix): boolean {
  return family === "ipv4" && length >= LOOPBACK.ipv4.length && prefixContains(LOOPBACK.ipv4, { family, value: first });
}

import type { Log } from "../core/mod.ts";
import { printCollection, printTable, startNftTable } from "./nft-table.ts";

const TABLE = "inet ironbridge-echo";
/** Just before destination NAT at -100, whoever does that. */
const PRIORITY = -101;

/**
 * Lets this node's kernel answer ICMP echo requests for `addresses`: it takes them for its own and answers in their name,
 * so that ping works as people expect. Nothing else of the addresses' traffic is touched.
 */
export function printEchoTable(addresses: readonly string[]): string {
  if (addresses.length === 0) return printTable(TABLE, []);
  const ipv4 = addresses.filter((address) => !address.includes(":"));
  const ipv6 = addresses.filter((address) => address.includes(":"));
  return printTable(TABLE, [
    ...printCollection("set ipv4", "ipv4_addr", ipv4),
    ...printCollection("set ipv6", "ipv6_addr", ipv6),
    "chain prerouting {",
    `  type nat hook prerouting priority ${PRIORITY}`,
    "  ip daddr @ipv4 icmp type echo-request redirect",
    "  ip6 daddr @ipv6 icmpv6 type echo-request redirect",
    "}",
  ]);
}

/** Keeps the kernel's answers in line with `addresses()`. */
export function startEcho(addresses: () => readonly string[], log: Log, signal: AbortSignal): { poke(): void } {
  const wanted = () => {
    const asked = [...addresses()].sort();
    return { text: printEchoTable(asked), empty: asked.length === 0 };
  };
  const complaint = "could not let the kernel answer echo requests";
  return startNftTable({ wanted, log, event: "speaker.echo", complaint }, signal);
}

import { explainError, type Log, startRunner } from "../core/mod.ts";
import { openNft } from "../linux/mod.ts";

/** The table is the speaker's alone. */
const TABLE = "inet ironbridge-echo";
/** Just before destination NAT at -100, whoever does that. */
const PRIORITY = -101;
const ROUND = { minInterval: 100, retryInterval: 5000, maxInterval: 300_000 } as const;

/**
 * Lets this node's kernel answer ICMP echo requests for `addresses`: it takes them for its own and answers in their name,
 * so that ping works as people expect. Nothing else of the addresses' traffic is touched.
 */
export function printEchoTable(addresses: readonly string[]): string {
  const forget = `table ${TABLE} {\n}\ndelete table ${TABLE}\n`;
  if (addresses.length === 0) return forget;
  const ipv4 = addresses.filter((address) => !address.includes(":"));
  const ipv6 = addresses.filter((address) => address.includes(":"));
  const set = (name: string, type: string, elements: readonly string[]) => [
    `  set ${name} {`,
    `    type ${type}`,
    ...(elements.length > 0 ? [`    elements = { ${elements.join(", ")} }`] : []),
    "  }",
  ];
  const lines = [
    `table ${TABLE} {`,
    ...set("ipv4", "ipv4_addr", ipv4),
    ...set("ipv6", "ipv6_addr", ipv6),
    "  chain prerouting {",
    `    type nat hook prerouting priority ${PRIORITY}`,
    "    ip daddr @ipv4 icmp type echo-request redirect",
    "    ip6 daddr @ipv6 icmpv6 type echo-request redirect",
    "  }",
    "}",
  ];
  return `${forget}${lines.join("\n")}\n`;
}

/** Keeps the kernel's answers in line with `addresses()`. What it has at the end stays: a restart is no reason to be silent. */
export function startEcho(addresses: () => readonly string[], log: Log, signal: AbortSignal): { poke(): void } {
  let applied: string | undefined;
  const round = async () => {
    const wanted = [...addresses()].sort();
    // Who never asked for it needs no nftables: what an earlier run left is removed once something is asked for again.
    if (wanted.length === 0 && applied === undefined) return;
    const table = printEchoTable(wanted);
    if (table === applied) return;
    const nft = await openNft();
    try {
      await nft.apply(table);
      applied = table;
    } finally {
      nft.close();
    }
  };
  const onError = (error: unknown) =>
    log.warn({ event: "speaker.echo", reason: explainError(error) }, "could not let the kernel answer echo requests");
  return startRunner(round, { ...ROUND, onError }, signal);
}

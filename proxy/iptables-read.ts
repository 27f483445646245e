import type { Count, PacketKind } from "./backend.ts";
import { CHAIN_PREFIX, DROP_INVALID, FORWARD, LOCALHOST, LOCALHOST_RULES } from "./iptables-chain.ts";
import type { Protocol } from "./service-port.ts";

/**
 * Part of what iptables-save prints: by object, the rules of each chain that `isOwn`, and the jumps to them from other
 * chains, one a line.
 */
export function parseIptablesSave(
  table: string,
  text: string,
  isOwn: (chain: string) => boolean = (chain) => chain.startsWith(CHAIN_PREFIX),
): Map<string, string[]> {
  const chains = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const declared = /^:(\S+) /.exec(line)?.[1];
    if (declared !== undefined && isOwn(declared)) chains.set(`${table} ${declared}`, []);
    const [, chain = "", rule = ""] = /^-A (\S+) (.*)$/.exec(line) ?? [];
    const object = `${table} ${chain}`;
    if (isOwn(chain)) chains.get(object)?.push(rule);
    else if (isOwn(/ ?-[jg] (\S+)/.exec(rule)?.[1] ?? "")) chains.set(object, [...(chains.get(object) ?? []), rule]);
  }
  return chains;
}

/** What the rules that lead to a Service port's chain have counted, of what `iptables-save --counters` prints. */
export function parseIptablesCounts(text: string): Count[] {
  return text.split("\n").flatMap((line) => {
    const [, packets, rule, chain] = /^\[(\d+):\d+\] (-A (\S+) .*)$/.exec(line) ?? [];
    if (rule === undefined || chain === undefined || !chain.startsWith(CHAIN_PREFIX)) return [];
    const [, protocol, port, service] = LEADING_RULE.exec(rule) ?? [];
    if (protocol === undefined || service === undefined) return [];
    return {
      key: rule,
      service,
      protocol: protocol as Protocol,
      front: rule.includes(" -d ") ? ("service" as const) : ("nodeport" as const),
      port: Number(port),
      connections: Number(packets),
    };
  });
}

/**
 * What single rules have counted, of what `iptables-save --counters` prints: packets that the rule for INVALID dropped, and
 * first packets of connections to localhost that a node port took, which are those that came by without those that came back.
 */
export function parsePacketCounts(nat: string, filter: string): Record<PacketKind, number> {
  const [came, returned] = LOCALHOST_RULES.map((rule) => packetsOf(nat, `-A ${LOCALHOST} ${rule}`));
  return {
    ct_state_invalid_dropped: packetsOf(filter, `-A ${FORWARD} ${DROP_INVALID}`),
    localhost_nodeports_accepted: came! - returned!,
  };
}

function packetsOf(text: string, rule: string): number {
  const line = text.split("\n").find((each) => each.endsWith(`] ${rule}`));
  return Number(/^\[(\d+):/.exec(line ?? "")?.[1] ?? 0);
}

/** Protocol, port, and key of the Service: of the rules that the trees of destinations and of node ports end with. */
const LEADING_RULE = / -p (\S+) -m \S+ --dport (\d+) -m comment --comment "?([^" ]+):[^":]*"? -j /;

/** The script that removes what parseIptablesSave() found in `table`; empty when it found nothing. */
export function printIptablesRemoval(
  table: string,
  found: ReadonlyMap<string, readonly string[]>,
  isOwn: (chain: string) => boolean = (chain) => chain.startsWith(CHAIN_PREFIX),
): string {
  if (found.size === 0) return "";
  const names = [...found.keys()].map((object) => object.slice(table.length + 1));
  const own = names.filter(isOwn);
  const jumps = names
    .filter((name) => !isOwn(name))
    .flatMap((name) => (found.get(`${table} ${name}`) ?? []).map((rule) => `-D ${name} ${rule}`));
  const lines = [...own.map((name) => `:${name} - [0:0]`), ...jumps, ...own.map((name) => `-X ${name}`)];
  return `*${table}\n${lines.join("\n")}\nCOMMIT\n`;
}

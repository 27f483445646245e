import { CHAIN_PREFIX } from "./iptables-chain.ts";

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

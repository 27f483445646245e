import { CHAIN_PREFIX, chainObject, isBuiltin, type Table } from "./iptables-chain.ts";

/**
 * Our part of what iptables-save prints: by object, the rules of each chain of ours, and the jumps to them from builtin
 * chains, one a line.
 */
export function parseIptablesSave(table: Table, text: string): Map<string, string[]> {
  const chains = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const declared = /^:(\S+) /.exec(line)?.[1];
    if (declared?.startsWith(CHAIN_PREFIX)) chains.set(chainObject(table, declared), []);
    const [, chain = "", rule = ""] = /^-A (\S+) (.*)$/.exec(line) ?? [];
    const object = chainObject(table, chain);
    if (chain.startsWith(CHAIN_PREFIX)) chains.get(object)?.push(rule);
    else if (rule.includes(`-j ${CHAIN_PREFIX}`)) chains.set(object, [...(chains.get(object) ?? []), rule]);
  }
  return chains;
}

/** The script that removes what parseIptablesSave() found in `table`; empty when it found nothing. */
export function printIptablesRemoval(table: Table, found: ReadonlyMap<string, readonly string[]>): string {
  if (found.size === 0) return "";
  const names = (builtin: boolean) =>
    [...found.keys()].filter((object) => isBuiltin(object) === builtin).map((object) => object.slice(table.length + 1));
  const own = names(false);
  const jumps = names(true).flatMap((name) =>
    (found.get(chainObject(table, name)) ?? []).map((rule) => `-D ${name} ${rule}`),
  );
  const lines = [...own.map((name) => `:${name} - [0:0]`), ...jumps, ...own.map((name) => `-X ${name}`)];
  return `*${table}\n${lines.join("\n")}\nCOMMIT\n`;
}

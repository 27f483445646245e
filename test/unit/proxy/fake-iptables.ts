import { IronbridgeError } from "../../../core/mod.ts";
import type { Iptables, IptablesVariant } from "../../../linux/mod.ts";
import type { Family } from "../../../net/mod.ts";

type Chains = Map<string, string[]>;

export interface FakeIptables extends Iptables {
  readonly applied: readonly string[];
  /** As iptables-save would print it, with the chains sorted. */
  dump(): string;
  /** What `iptables -t nat -F` does. */
  flushNat(): void;
}

/**
 * iptables in memory. It is as strict as the real one where that matters: nothing can jump to a chain that does not
 * exist, and a chain that is jumped to can't be deleted. A table that fails is not changed.
 */
export function fakeIptables(family: Family, variant: IptablesVariant): FakeIptables {
  const tables = new Map<string, Chains>([
    ["nat", builtins(["PREROUTING", "OUTPUT", "POSTROUTING"])],
    ["filter", builtins(["INPUT", "FORWARD", "OUTPUT"])],
  ]);
  const applied: string[] = [];
  const save = (table: string) => printTable(table, tables.get(table) ?? new Map());
  return {
    family,
    variant,
    randomFully: true,
    applied,
    restore: async (script) => {
      for (const [, table = "", body = ""] of script.matchAll(/\*(\w+)\n(.*?)COMMIT\n/gs)) {
        const next = structuredClone(tables.get(table)!);
        for (const line of body.split("\n")) if (line !== "") run(next, line);
        checkJumps(next);
        tables.set(table, next);
      }
      applied.push(script);
    },
    save: async (table) => save(table),
    list: async (table, chain) =>
      tables
        .get(table)
        ?.get(chain)
        ?.map((rule) => `-A ${chain} ${rule}`)
        .join("\n"),
    dump: () => save("nat") + save("filter"),
    flushNat: () => {
      for (const rules of tables.get("nat")!.values()) rules.length = 0;
    },
  };
}

function run(chains: Chains, line: string): void {
  const declared = /^:(\S+) /.exec(line)?.[1];
  if (declared !== undefined) {
    chains.set(declared, []);
    return;
  }
  const [, verb, chain = "", rest = ""] = /^-([AIDX]) (\S+) ?(.*)$/.exec(line) ?? [];
  const rules = chains.get(chain);
  if (rules === undefined) throw refused(`no chain ${chain}`, line);
  if (verb === "A") rules.push(rest);
  if (verb === "I") rules.unshift(rest.replace(/^1 /, ""));
  if (verb === "D" && rules.indexOf(rest) === -1) throw refused("no such rule", line);
  if (verb === "D") rules.splice(rules.indexOf(rest), 1);
  if (verb === "X" && rules.length > 0) throw refused("chain is not empty", line);
  if (verb === "X") chains.delete(chain);
}

function checkJumps(chains: Chains): void {
  for (const rule of [...chains.values()].flat()) {
    const target = / ?-j (IRON-\S+)/.exec(rule)?.[1];
    if (target !== undefined && !chains.has(target)) throw refused(`no chain ${target}`, rule);
  }
}

function printTable(table: string, chains: Chains): string {
  const sorted = [...chains].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = [
    ...sorted.map(([name]) => `:${name} ${name.startsWith("IRON-") ? "-" : "ACCEPT"} [0:0]`),
    ...sorted.flatMap(([name, rules]) => rules.map((rule) => `-A ${name} ${rule}`)),
  ];
  return `*${table}\n${lines.join("\n")}\nCOMMIT\n`;
}

function builtins(names: readonly string[]): Chains {
  return new Map(names.map((name) => [name, []]));
}

function refused(why: string, line: string): IronbridgeError {
  return new IronbridgeError("IB_KERNEL_REFUSED", `iptables-restore: ${why}: ${line}`);
}

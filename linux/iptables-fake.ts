import { IronbridgeError } from "../core/mod.ts";
import type { Family } from "../net/mod.ts";
import type { Iptables, IptablesTable } from "./iptables.ts";
import { describeLine } from "./script-line.ts";

/** iptables of one family in memory, for unit tests. */
export interface FakeIptables extends Iptables {
  /** All tables as iptables-save prints them, without its comments; chains sorted by name. */
  dump(): string;
  /** The scripts that took effect, in order. */
  readonly restored: readonly string[];
}

interface Chain {
  /** ACCEPT or DROP of a built-in chain, "-" of any other. */
  readonly policy: string;
  /** Each as `-A` has it after the chain's name. */
  readonly rules: readonly string[];
}

type Table = ReadonlyMap<string, Chain>;

const BUILTIN: Record<IptablesTable, readonly string[]> = {
  nat: ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
  filter: ["INPUT", "FORWARD", "OUTPUT"],
  mangle: ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
};
/** Targets that are not chains, of those found on any node. */
const TARGETS =
  "ACCEPT DROP RETURN REJECT MARK CONNMARK MASQUERADE DNAT SNAT REDIRECT LOG NFLOG CT NOTRACK TCPMSS QUEUE";
/** XT_EXTENSION_MAXNAMELEN without its zero. */
const MAX_CHAIN_NAME = 28;

/**
 * Does what iptables-restore --noflush does: each table's lines take effect together at its COMMIT; `:CHAIN` makes a chain
 * or empties it, but only sets the policy of a built-in one. Refuses rules in and jumps to chains that are not there,
 * deleting rules that are not there, deleting chains that hold rules or are jumped to, and names that are too long.
 * Rules are kept as written: the kernel's spelling of a match is the caller's to know.
 * @param kernel What it has; without xt_sctp rules that match SCTP are refused too.
 */
export function fakeIptables(
  family: Family = "ipv4",
  kernel: { readonly hasSctp: boolean } = { hasSctp: true },
): FakeIptables {
  const tables = new Map<IptablesTable, Table>();
  const restored: string[] = [];
  return {
    family,
    variant: "nft",
    randomFully: true,
    knowsSctp: async () => kernel.hasSctp,
    restored,
    dump: () => [...tables].sort().map(printTable).join(""),
    restore: async (script) => {
      restoreScript(tables, script, kernel.hasSctp ? undefined : / -m sctp /);
      restored.push(script);
    },
    save: async (name) => {
      const table = tables.get(name);
      return table === undefined ? "" : printTable([name, table]);
    },
    saveCounted: async (name) => {
      const table = tables.get(name);
      return table === undefined ? "" : printTable([name, table]).replace(/^-A /gm, "[0:0] -A "); // no packet ever comes
    },
    stamp: () => undefined,
    list: async (name, chainName) => {
      const chain = tables.get(name)?.get(chainName);
      if (chain === undefined) return undefined;
      const head = chain.policy === "-" ? `-N ${chainName}` : `-P ${chainName} ${chain.policy}`;
      return [head, ...chain.rules.map((rule) => `-A ${chainName} ${rule}`)].map((line) => `${line}\n`).join("");
    },
  };
}

function restoreScript(tables: Map<IptablesTable, Table>, script: string, unknown: RegExp | undefined): void {
  let name: IptablesTable | undefined;
  let work = new Map<string, Chain>();
  script.split("\n").forEach((line, i) => {
    const refuse = (words: string) => {
      const text = `iptables-restore: ${words}: ${describeLine(script, i + 1)}`;
      return new IronbridgeError("IB_KERNEL_REFUSED", text);
    };
    if (line.trim() === "" || line.startsWith("#")) return;
    if (unknown?.test(line)) throw refuse("extension not supported, missing kernel module?");
    if (line.startsWith("*")) {
      name = tableName(line.slice(1));
      if (name === undefined) throw refuse("no such table");
      work = new Map(tables.get(name) ?? BUILTIN[name].map((chain) => [chain, { policy: "ACCEPT", rules: [] }]));
    } else if (name === undefined) throw refuse("no table before this line");
    else if (line === "COMMIT") {
      tables.set(name, work);
      name = undefined;
    } else {
      const words = runLine(work, line);
      if (words !== undefined) throw refuse(words);
    }
  });
  if (name !== undefined)
    throw new IronbridgeError("IB_KERNEL_REFUSED", "iptables-restore: COMMIT expected at the end");
}

/** Carries out one line; returns why it is refused. */
function runLine(table: Map<string, Chain>, line: string): string | undefined {
  if (line.startsWith(":")) return declareChain(table, line);
  const [verb = "", name = "", ...words] = line.trim().split(/\s+/);
  const chain = table.get(name);
  if (verb === "-N" && chain === undefined) return declareChain(table, `:${name} -`);
  if (verb === "-N") return "chain already exists";
  if (chain === undefined) return "no chain/target/match by that name";
  switch (verb) {
    case "-A":
    case "-I":
      return insertRule(table, name, verb === "-A" ? [String(chain.rules.length + 1), ...words] : words);
    case "-D":
      return deleteRule(table, name, words.join(" "));
    case "-F":
      table.set(name, { ...chain, rules: [] });
      return undefined;
    case "-X":
      return deleteChain(table, name);
    default:
      return `unknown option "${verb}"`;
  }
}

function declareChain(table: Map<string, Chain>, line: string): string | undefined {
  const [name = "", policy = ""] = line.slice(1).split(/\s+/);
  if (name.length > MAX_CHAIN_NAME) return `chain name "${name}" too long (must be under ${MAX_CHAIN_NAME + 1} chars)`;
  const before = table.get(name);
  const builtin = before !== undefined && before.policy !== "-";
  table.set(
    name,
    builtin ? { policy: policy === "-" ? before.policy : policy, rules: before.rules } : { policy: "-", rules: [] },
  );
  return undefined;
}

/** @param words The place, from 1, which may be left out, then the rule. */
function insertRule(table: Map<string, Chain>, name: string, words: readonly string[]): string | undefined {
  const chain = table.get(name);
  const numbered = /^\d+$/.test(words[0] ?? "");
  const place = numbered ? Number(words[0]) - 1 : 0;
  const rule = (numbered ? words.slice(1) : words).join(" ");
  const target = targetOf(rule);
  if (target !== undefined && !table.has(target) && !TARGETS.split(" ").includes(target)) {
    return `chain '${target}' does not exist`;
  }
  if (chain === undefined || place > chain.rules.length) return "index of insertion too big";
  table.set(name, { ...chain, rules: chain.rules.toSpliced(place, 0, rule) });
  return undefined;
}

function deleteRule(table: Map<string, Chain>, name: string, rule: string): string | undefined {
  const chain = table.get(name);
  const place = chain?.rules.indexOf(rule) ?? -1;
  if (chain === undefined || place === -1) return "bad rule (does a matching rule exist in that chain?)";
  table.set(name, { ...chain, rules: chain.rules.toSpliced(place, 1) });
  return undefined;
}

function deleteChain(table: Map<string, Chain>, name: string): string | undefined {
  const chain = table.get(name);
  if (chain === undefined || chain.policy !== "-") return "can't delete a built-in chain";
  if (chain.rules.length > 0) return "directory not empty";
  const used = [...table.values()].some(({ rules }) => rules.some((rule) => targetOf(rule) === name));
  if (used) return "too many links";
  table.delete(name);
  return undefined;
}

function targetOf(rule: string): string | undefined {
  return /(?:^| )(?:-j|-g|--jump|--goto) (\S+)/.exec(rule)?.[1];
}

function tableName(text: string): IptablesTable | undefined {
  return text === "nat" || text === "filter" || text === "mangle" ? text : undefined;
}

function printTable([name, table]: readonly [string, Table]): string {
  const chains = [...table].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    `*${name}`,
    ...chains.map(([chain, { policy }]) => `:${chain} ${policy} [0:0]`),
    ...chains.flatMap(([chain, { rules }]) => rules.map((rule) => `-A ${chain} ${rule}`)),
    "COMMIT",
    "",
  ].join("\n");
}

import { chainObject, chainOf, isBuiltin, TABLES, tableOf } from "./iptables-chain.ts";
import type { Ledger } from "./ledger.ts";

/** The rules of one chain as iptables-save would print them, without the "-A CHAIN " in front. */
export function printChain(ledger: Ledger, object: string): string {
  const rules = [...ledger.items(object)].sort(([a], [b]) => (a < b ? -1 : 1));
  return rules
    .map(([, value]) => value)
    .filter((value) => value !== "")
    .join("\n");
}

/**
 * Scripts for iptables-restore --noflush that write what `ledger` has not written yet, whole chains at a time, each of
 * about `size` rules at most. A chain comes before the chains that jump to it, the jumps from builtin chains come last,
 * and chains nobody wants any more go after everything that led to them.
 */
export function printIptablesChanges(ledger: Ledger, size: number): string[] {
  const objects = ledger.changedObjects();
  const gone = objects.filter((object) => !isBuiltin(object) && ledger.size(object) === 0);
  const kept = objects.filter((object) => isBuiltin(object) || ledger.size(object) > 0);
  const chains = [
    ...inJumpOrder(kept.filter((object) => !isBuiltin(object)).map((object) => ownChain(ledger, object))),
    ...kept.filter(isBuiltin).map((object) => builtinChain(ledger, object)),
  ];
  const batches = batchesOf(chains, size);
  if (gone.length > 0 && batches.length === 0) batches.push([]);
  return batches.map((batch, i) => printScript(batch, i === batches.length - 1 ? gone : []));
}

interface Chain {
  readonly object: string;
  readonly lines: readonly string[];
}

function batchesOf(chains: readonly Chain[], size: number): Chain[][] {
  const batches: Chain[][] = [];
  let room = 0;
  for (const chain of chains) {
    if (room <= 0) {
      batches.push([]);
      room = size;
    }
    batches.at(-1)?.push(chain);
    room -= chain.lines.length + 1;
  }
  return batches;
}

/** Every chain after those it jumps to, as far as they are in the list. */
function inJumpOrder(chains: readonly Chain[]): Chain[] {
  const left = new Map(chains.map((chain) => [chain.object, chain]));
  const ordered: Chain[] = [];
  const visit = (chain: Chain) => {
    left.delete(chain.object);
    for (const line of chain.lines) {
      const target = / -j (\S+)/.exec(line)?.[1] ?? "";
      const next = left.get(chainObject(tableOf(chain.object), target));
      if (next !== undefined) visit(next);
    }
    ordered.push(chain);
  };
  for (const chain of chains) {
    if (left.has(chain.object)) visit(chain);
  }
  return ordered;
}

function printScript(chains: readonly Chain[], gone: readonly string[]): string {
  return TABLES.map((table) => {
    const isHere = (object: string) => tableOf(object) === table;
    const here = chains.filter(({ object }) => isHere(object));
    const unused = gone.filter(isHere).map(chainOf);
    const named = here.filter(({ object }) => !isBuiltin(object)).map(({ object }) => chainOf(object));
    const lines = [
      ...[...named, ...unused].map((name) => `:${name} - [0:0]`), // naming a chain empties it, or makes it
      ...here.flatMap((chain) => chain.lines),
      ...unused.map((name) => `-X ${name}`),
    ];
    return lines.length === 0 ? "" : `*${table}\n${lines.join("\n")}\nCOMMIT\n`;
  }).join("");
}

function ownChain(ledger: Ledger, object: string): Chain {
  const text = printChain(ledger, object);
  return { object, lines: text === "" ? [] : text.split("\n").map((rule) => `-A ${chainOf(object)} ${rule}`) };
}

/** Of a chain that belongs to everybody only our own jumps are written: in front when missing. */
function builtinChain(ledger: Ledger, object: string): Chain {
  const name = chainOf(object);
  const lines = ledger
    .changes(object)
    .map(({ key, wanted }) => (wanted === undefined ? `-D ${name} ${key}` : `-I ${name} 1 ${key}`));
  return { object, lines };
}

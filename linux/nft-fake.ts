import { IronbridgeError } from "../core/mod.ts";
import type { Family } from "../net/mod.ts";
import type { Nft } from "./nft.ts";
import type { NftElement } from "./nft-element.ts";
import type { NftReader, NftTable } from "./nft-reader.ts";
import { parseElements, type Statement, splitBlock, splitStatements } from "./nft-script.ts";
import { describeLine } from "./script-line.ts";

/** nftables in memory, for unit tests. */
export interface FakeNft extends Nft, NftReader {
  /** Everything it holds, as `nft list ruleset` prints it; tables, objects and elements sorted by name. */
  dump(): string;
  /** The scripts that took effect, in order. */
  readonly applied: readonly string[];
}

interface Table {
  readonly chains: Map<string, Chain>;
  readonly sets: Map<string, NamedSet>;
}

interface Chain {
  /** `type nat hook prerouting priority dstnat; policy accept;` of a base chain, else "". */
  readonly hook: string;
  readonly rules: string[];
}

interface NamedSet {
  readonly kind: "set" | "map";
  /** Its type and flags. */
  readonly properties: readonly string[];
  readonly elements: Map<string, string>;
}

const NO_ENTRY = "Could not process rule: No such file or directory";
const EXISTS = "Could not process rule: File exists";
const BUSY = "Could not process rule: Device or resource busy";

/**
 * Really keeps the tables, chains, sets, maps, elements and rules it is told about, and refuses what the kernel would:
 * deleting what is not there, leading to what is not there, deleting what is in use, one map key with two values.
 * A transaction is all or nothing. Rules, keys and types are kept as written: it neither understands nor rewrites them,
 * and does not see ranges that overlap. Commands it does not know are syntax errors. It can't tell whose changes are, so
 * that its journals have always lost some.
 */
export function fakeNft(): FakeNft {
  const tables = new Map<string, Table>();
  const applied: string[] = [];
  return {
    applied,
    dump: () => printTables(tables, [...tables.keys()].sort()),
    apply: async (script) => {
      const transaction = new Transaction(tables);
      for (const statement of splitStatements(script)) {
        try {
          transaction.run(statement);
        } catch (error) {
          transaction.undo();
          const words = error instanceof Refusal ? error.message : String(error);
          throw new IronbridgeError("IB_KERNEL_REFUSED", `nft: ${words}: ${describeLine(script, statement.line)}`);
        }
      }
      applied.push(script);
    },
    list: async (command) => list(tables, command),
    table: (family, name) => describeTable(tables.get(tableKey(family, name))),
    elements: async function* (family, name, set): AsyncIterable<readonly NftElement[]> {
      yield [...(tables.get(tableKey(family, name))?.sets.get(set)?.elements ?? [])];
    },
    journal: () => ({ read: () => undefined, close: () => {} }),
    close: () => {},
  };
}

function tableKey(family: Family, name: string): string {
  return `${family === "ipv4" ? "ip" : "ip6"} ${name}`;
}

function describeTable(table: Table | undefined): NftTable | undefined {
  if (table === undefined) return undefined;
  const commentIn = (text: string) => /\bcomment "([^"]*)"/.exec(text)?.[1] ?? "";
  const sets = [...table.sets].map(([name, { kind, properties }]) => {
    return [name, { kind, comment: commentIn(properties.join(" ")) }] as const;
  });
  return {
    chains: new Map([...table.chains].map(([name, { rules }]) => [name, rules.map(commentIn)])),
    sets: new Map(sets),
    active: [...table.chains.values()].every(({ hook }) => !hook.includes("policy drop")),
  };
}

interface Command {
  /** Family and name of the table. */
  readonly key: string;
  /** Of the chain, set or map. */
  readonly name: string;
  readonly body: readonly Statement[];
  /** The whole command. */
  readonly text: string;
}

/** What the kernel says no to. */
class Refusal extends Error {}

class Transaction {
  readonly #tables: Map<string, Table>;
  readonly #undo: (() => void)[] = [];

  readonly #commands: Readonly<Record<string, (command: Command) => void>> = {
    "add table": ({ key }) => this.#addTable(key),
    "delete table": ({ key }) => this.#delete(this.#tables, key),
    "flush table": ({ key }) => {
      for (const chain of this.#table(key).chains.values()) this.#flushRules(chain);
    },
    "add chain": ({ key, name, body }) => this.#addChain(key, name, body),
    "flush chain": ({ key, name }) => this.#flushRules(this.#chain(key, name)),
    "delete chain": ({ key, name }) => {
      this.#refuseIfUsed(key, name);
      this.#delete(this.#table(key).chains, name);
    },
    "add set": ({ key, name, body }) => this.#addSet(key, "set", name, body),
    "add map": ({ key, name, body }) => this.#addSet(key, "map", name, body),
    "flush set": ({ key, name }) => this.#flushSet(key, name),
    "flush map": ({ key, name }) => this.#flushSet(key, name),
    "delete set": ({ key, name }) => this.#deleteSet(key, name),
    "delete map": ({ key, name }) => this.#deleteSet(key, name),
    "add element": ({ key, name, text }) => this.#addElements(key, name, parseElements(text)),
    "delete element": ({ key, name, text }) => {
      for (const [element] of parseElements(text)) this.#delete(this.#set(key, name).elements, element);
    },
    "add rule": ({ key, name, text }) => this.#addRule(key, name, text.split(/\s+/).slice(5).join(" ")),
  };

  constructor(tables: Map<string, Table>) {
    this.#tables = tables;
  }

  undo(): void {
    for (const restore of this.#undo.reverse()) restore();
  }

  run(statement: Statement): void {
    const { head, body = [] } = splitBlock(statement);
    const [verb = "", noun = "", family = "", table = "", name = ""] = head;
    if (verb === "table") this.#addBlock(`${noun} ${family}`, body);
    else {
      const command = this.#commands[`${verb} ${noun}`];
      if (command === undefined) throw new Refusal(`syntax error, unexpected ${verb} ${noun}`);
      command({ key: `${family} ${table}`, name, body, text: statement.text });
    }
  }

  /** `table ip t { set s { ... } chain c { ... } }` adds to what is there. */
  #addBlock(key: string, body: readonly Statement[]): void {
    this.#addTable(key);
    const blocks = body.map(splitBlock);
    for (const { head, body: inner = [] } of blocks) {
      const [kind, name = ""] = head;
      if (kind === "set" || kind === "map") this.#addSet(key, kind, name, inner);
      else if (kind === "chain") this.#addChain(key, name, inner.filter(isHook));
      else throw new Refusal(`syntax error, unexpected ${kind}`);
    }
    // Rules last: they may lead to chains that are further down.
    for (const { head, body: inner = [] } of blocks.filter(({ head: [kind] }) => kind === "chain")) {
      for (const rule of inner.filter((line) => !isHook(line))) this.#addRule(key, head[1] ?? "", oneLine(rule.text));
    }
  }

  #addTable(key: string): void {
    if (!this.#tables.has(key)) this.#put(this.#tables, key, { chains: new Map(), sets: new Map() });
  }

  #addChain(key: string, name: string, body: readonly Statement[]): void {
    const { chains } = this.#table(key);
    const hook = body.map(({ text }) => `${oneLine(text)};`).join(" ");
    const before = chains.get(name);
    if (before === undefined) this.#put(chains, name, { hook, rules: [] });
    else if (hook !== "" && hook !== before.hook) throw new Refusal(EXISTS);
  }

  #addSet(key: string, kind: NamedSet["kind"], name: string, body: readonly Statement[]): void {
    const { sets } = this.#table(key);
    const isElements = ({ text }: Statement) => text.startsWith("elements");
    const properties = body.filter((line) => !isElements(line)).map(({ text }) => oneLine(text));
    if (!sets.has(name)) this.#put(sets, name, { kind, properties, elements: new Map() });
    for (const { text } of body.filter(isElements)) this.#addElements(key, name, parseElements(text));
  }

  #flushSet(key: string, name: string): void {
    const { elements } = this.#set(key, name);
    for (const element of [...elements.keys()]) this.#delete(elements, element);
  }

  #deleteSet(key: string, name: string): void {
    this.#refuseIfUsed(key, `@${name}`);
    this.#delete(this.#table(key).sets, name);
  }

  #addElements(key: string, name: string, pairs: readonly (readonly [element: string, value: string])[]): void {
    const { elements } = this.#set(key, name);
    for (const [element, value] of pairs) {
      if ((elements.get(element) ?? value) !== value) throw new Refusal(EXISTS);
      this.#requireTargets(key, value);
      this.#put(elements, element, value);
    }
  }

  #addRule(key: string, name: string, rule: string): void {
    const { rules } = this.#chain(key, name);
    this.#requireTargets(key, rule);
    rules.push(rule);
    this.#undo.push(() => rules.pop());
  }

  #flushRules(chain: Chain): void {
    const before = chain.rules.splice(0);
    this.#undo.push(() => chain.rules.unshift(...before));
  }

  /** A rule or verdict may only name chains and sets that are there. */
  #requireTargets(key: string, text: string): void {
    for (const target of targetsOf(text)) {
      if (target.startsWith("@")) this.#set(key, target.slice(1));
      else this.#chain(key, target);
    }
  }

  #refuseIfUsed(key: string, target: string): void {
    const { chains, sets } = this.#table(key);
    const users = [
      ...[...chains].filter(([name]) => name !== target).flatMap(([, { rules }]) => rules),
      ...[...sets.values()].filter(({ kind }) => kind === "map").flatMap(({ elements }) => [...elements.values()]),
    ];
    if (users.some((text) => targetsOf(text).includes(target))) throw new Refusal(BUSY);
  }

  #table(key: string): Table {
    return found(this.#tables.get(key));
  }

  #chain(key: string, name: string): Chain {
    return found(this.#table(key).chains.get(name));
  }

  #set(key: string, name: string): NamedSet {
    return found(this.#table(key).sets.get(name));
  }

  #put<V>(map: Map<string, V>, key: string, value: V): void {
    const before = map.get(key);
    this.#undo.push(() => (before === undefined ? map.delete(key) : map.set(key, before)));
    map.set(key, value);
  }

  #delete<V>(map: Map<string, V>, key: string): void {
    const before = found(map.get(key));
    this.#undo.push(() => map.set(key, before));
    map.delete(key);
  }
}

/** The chains that a rule or a verdict leads to, and the sets it looks in as "@name". */
function targetsOf(text: string): string[] {
  const chains = [...text.matchAll(/\b(?:jump|goto) (\S+)/g)].map(([, name = ""]) => name.replace(/[,}]$/, ""));
  return [...chains, ...(text.match(/@[\w-]+/g) ?? [])];
}

function found<V>(value: V | undefined): V {
  if (value === undefined) throw new Refusal(NO_ENTRY);
  return value;
}

function isHook({ text }: Statement): boolean {
  return /^(type|policy) /.test(text);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function list(tables: ReadonlyMap<string, Table>, command: string): string | undefined {
  const [, noun = "", family = "", name = "", object = ""] = command.trim().split(/\s+/);
  const key = `${family} ${name}`;
  const table = tables.get(key);
  const names = [...tables.keys()].sort();
  switch (noun) {
    case "ruleset":
      return printTables(tables, names);
    case "tables":
      return names.map((table) => `table ${table}\n`).join("");
    case "table":
      return table && printTable(key, [...printSets(table), ...printChains(table)]);
    case "chain":
      return table?.chains.has(object) ? printTable(key, printChains(table, object)) : undefined;
    case "set":
    case "map":
      return table?.sets.has(object) ? printTable(key, printSets(table, object)) : undefined;
    default:
      throw new IronbridgeError("IB_KERNEL_REFUSED", `nft: syntax error, unexpected ${noun}: line 1: ${command}`);
  }
}

function printTables(tables: ReadonlyMap<string, Table>, keys: readonly string[]): string {
  return keys
    .map((key) => {
      const table = found(tables.get(key));
      return printTable(key, [...printSets(table), ...printChains(table)]);
    })
    .join("");
}

function printTable(key: string, blocks: readonly string[]): string {
  return `table ${key} {\n${blocks.join("\n")}}\n`;
}

function printSets({ sets }: Table, only?: string): string[] {
  return sorted(sets, only).map(([name, { kind, properties, elements }]) => {
    const pairs = sorted(elements).map(([key, value]) => (value === "" ? key : `${key} : ${value}`));
    const lines = [...properties, ...(pairs.length > 0 ? [`elements = { ${pairs.join(",\n\t\t\t     ")} }`] : [])];
    return printBlock(`${kind} ${name}`, lines);
  });
}

function printChains({ chains }: Table, only?: string): string[] {
  return sorted(chains, only).map(([name, { hook, rules }]) =>
    printBlock(`chain ${name}`, hook === "" ? rules : [hook, ...rules]),
  );
}

function printBlock(head: string, lines: readonly string[]): string {
  return `\t${head} {\n${lines.map((line) => `\t\t${line}\n`).join("")}\t}\n`;
}

function sorted<V>(map: ReadonlyMap<string, V>, only?: string): [string, V][] {
  const entries = [...map].filter(([name]) => only === undefined || name === only);
  return entries.sort(([a], [b]) => (a < b ? -1 : 1));
}

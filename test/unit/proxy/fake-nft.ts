import { IronbridgeError } from "../../../core/mod.ts";
import type { Nft } from "../../../linux/mod.ts";

interface Table {
  /** Kind and type by name. */
  readonly objects: Map<
    string,
    { readonly kind: string; readonly type: string; readonly elements: Map<string, string> }
  >;
  readonly chains: Map<string, string[]>;
}

export interface FakeNft extends Nft {
  /** Every script applied, in order. */
  readonly applied: readonly string[];
  /** As `nft list ruleset` would print it, with everything sorted. */
  dump(): string;
  /** What `nft flush ruleset` does. */
  flush(): void;
  /** Refuses the next so many scripts. */
  refuseNext(count: number): void;
}

/**
 * nftables in memory, as far as this project's tables need it. It is as strict as the kernel where that matters: an
 * element can't be deleted that is not there or added with another value, nothing can be led to a chain that does not
 * exist, and a chain that is used can't be deleted. A script that fails changes nothing.
 */
export function fakeNft(): FakeNft {
  let tables = new Map<string, Table>();
  const applied: string[] = [];
  let refusals = 0;
  return {
    applied,
    apply: async (script) => {
      if (refusals > 0) {
        refusals--;
        throw refused("the test wants it so", script);
      }
      const next = structuredClone(tables);
      for (const line of script.split("\n")) if (line !== "") run(next, line);
      for (const table of next.values()) checkChains(table);
      tables = next;
      applied.push(script);
    },
    list: async (command) => {
      const [, kind, family, name, chain] = /^list (table|chain) (\S+) (\S+)(?: (\S+))?$/.exec(command) ?? [];
      const table = tables.get(`${family} ${name}`);
      if (table === undefined) return undefined;
      if (kind === "table") return print(`${family} ${name}`, table);
      return table.chains.get(chain ?? "")?.join("\n");
    },
    close: () => {},
    dump: () => [...tables].map(([name, table]) => print(name, table)).join(""),
    flush: () => tables.clear(),
    refuseNext: (count) => {
      refusals = count;
    },
  };
}

function run(tables: Map<string, Table>, line: string): void {
  const [, verb, kind, tableName = "", rest = ""] = /^(\w+) (\w+) (\S+ \S+) ?(.*)$/.exec(line) ?? [];
  const table = tables.get(tableName);
  if (kind === "table") {
    if (verb === "add" && table === undefined) tables.set(tableName, { objects: new Map(), chains: new Map() });
    if (verb === "delete") tables.delete(tableName);
    return;
  }
  if (table === undefined) throw refused("no such table", line);
  const [, name = "", body = ""] = /^(\S+) ?(.*)$/.exec(rest) ?? [];
  switch (`${verb} ${kind}`) {
    case "add map":
    case "add set":
      table.objects.set(name, { kind: kind!, type: unwrap(body).replace(/;$/, ""), elements: new Map() });
      return;
    case "add chain":
      if (!table.chains.has(name)) table.chains.set(name, body === "" ? [] : [unwrap(body)]);
      return;
    case "flush chain":
      table.chains.set(
        name,
        existing(table.chains, name, line).filter((rule) => rule.startsWith("type ")),
      );
      return;
    case "delete chain":
      existing(table.chains, name, line);
      table.chains.delete(name);
      return;
    case "add rule":
      existing(table.chains, name, line).push(body);
      return;
    case "add element":
      for (const [key, value] of elementsOf(body)) {
        const { elements } = existing(table.objects, name, line);
        if ((elements.get(key) ?? value) !== value) throw refused(`element ${key} exists`, line);
        elements.set(key, value);
      }
      return;
    case "delete element":
      for (const [key] of elementsOf(body)) {
        if (!existing(table.objects, name, line).elements.delete(key)) throw refused(`no element ${key}`, line);
      }
      return;
    default:
      throw refused("unknown command", line);
  }
}

function checkChains({ objects, chains }: Table): void {
  const verdicts = [...objects.values()].flatMap(({ elements }) => [...elements.values()]);
  for (const text of [...verdicts, ...[...chains.values()].flat()]) {
    const target = /(?:goto|jump) (\S+)/.exec(text)?.[1];
    if (target !== undefined && !chains.has(target)) throw refused(`no chain ${target}`, text);
  }
}

function print(name: string, { objects, chains }: Table): string {
  const sorted = <T>(map: ReadonlyMap<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const lines = sorted(objects).flatMap(([object, { kind, type, elements }]) => {
    const texts = sorted(elements).map(([key, value]) => (value === "" ? key : `${key} : ${value}`));
    const list = texts.length === 0 ? [] : [`\t\telements = { ${texts.join(",\n\t\t\t     ")} }`];
    return [`\t${kind} ${object} {`, ...type.split("; ").map((part) => `\t\t${part}`), ...list, "\t}", ""];
  });
  const bodies = sorted(chains).flatMap(([chain, rules]) => [
    `\tchain ${chain} {`,
    ...rules.map((r) => `\t\t${r}`),
    "\t}",
    "",
  ]);
  return `table ${name} {\n${[...lines, ...bodies].join("\n")}}\n`;
}

function elementsOf(body: string): [string, string][] {
  return unwrap(body)
    .split(", ")
    .map((element) => {
      const [key = "", value = ""] = element.split(" : ");
      return [key, value];
    });
}

function unwrap(body: string): string {
  return body.replace(/^\{ /, "").replace(/ \}$/, "");
}

function existing<T>(map: ReadonlyMap<string, T>, name: string, line: string): T {
  const value = map.get(name);
  if (value === undefined) throw refused(`no ${name}`, line);
  return value;
}

function refused(why: string, line: string): IronbridgeError {
  return new IronbridgeError("IB_KERNEL_REFUSED", `nft: ${why}: ${line.slice(0, 200)}`);
}

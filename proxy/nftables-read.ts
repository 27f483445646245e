import { CHAINS, SETS } from "./nftables-object.ts";

/** What a listing of the table says. */
export interface NftContent {
  /** Type of each map and set, as NftObject has it. */
  readonly types: ReadonlyMap<string, string>;
  /** Object, key, value; the chains are in CHAINS, the kinds and types of all maps and sets in SETS. */
  readonly held: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** Reads what `nft list table` prints for a table of ours. Anything in it that is not ours is kept as it stands. */
export function parseNftTable(text: string): NftContent {
  const types = new Map<string, string>();
  const chains = new Map<string, string>();
  const sets = new Map<string, string>();
  const held = new Map<string, ReadonlyMap<string, string>>([
    [CHAINS, chains],
    [SETS, sets],
  ]);
  for (const { kind, name, lines } of blocksOf(text)) {
    if (kind === "chain") {
      chains.set(name, lines.join("\n"));
      continue;
    }
    const start = lines.findIndex((line) => line.startsWith("elements = {"));
    const type = lines.slice(0, start === -1 ? undefined : start).join("\n");
    types.set(name, type);
    sets.set(name, `${kind}\n${type}`);
    held.set(name, start === -1 ? new Map() : parseElements(lines.slice(start)));
  }
  return { types, held };
}

/** By element, the packets counted in it, of what `nft list set` prints for a set with counters. */
export function parseNftCounts(text: string): Map<string, number> {
  const counted = text.matchAll(/([^{},\t]+?) counter packets (\d+) bytes \d+/g);
  return new Map([...counted].map(([, key = "", packets]) => [key.trim(), Number(packets)]));
}

interface Block {
  readonly kind: string;
  readonly name: string;
  /** Without the indentation. */
  readonly lines: string[];
}

function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  for (const line of text.split("\n")) {
    const head = /^\t(map|set|chain) (\S+) \{$/.exec(line);
    if (head !== null) blocks.push({ kind: head[1]!, name: head[2]!, lines: [] });
    else if (line.startsWith("\t\t")) blocks.at(-1)?.lines.push(line.trim());
  }
  return blocks;
}

/** "elements = { a : b, c : d }", over any number of lines; neither keys nor values hold commas. */
function parseElements(lines: readonly string[]): Map<string, string> {
  const elements = new Map<string, string>();
  for (const line of lines) {
    const inner = line.replace("elements = {", "").replace(/\}$/, "");
    for (const element of inner.split(",")) {
      const [key = "", value = ""] = element.trim().split(" : ");
      if (key !== "") elements.set(key, value);
    }
  }
  return elements;
}

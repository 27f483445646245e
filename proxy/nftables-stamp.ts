import { hash } from "node:crypto";
import type { NftTable } from "../linux/mod.ts";
import { isBaseChain } from "./nftables-chain.ts";

/** Stands for any definition but those of ours. */
const UNKNOWN = "something else";

/**
 * The comment on each rule of a chain, and on each map and set: it stands for the text they were made from. The kernel
 * can't change a rule or the type of a set, only remove them with their comments, so that whoever finds the comments
 * finds what was written, in whatever way this version of libnftables would print it.
 */
export function stampOf(definition: string): string {
  return hash("sha256", definition, "hex").slice(0, 12);
}

/** The definition that `table` has of chain `name`: `wanted` if it is that, and undefined when there is no such chain. */
export function chainIn(table: NftTable, name: string, wanted: string | undefined): string | undefined {
  const comments = table.chains.get(name);
  if (comments === undefined) return undefined;
  if (wanted === undefined) return UNKNOWN;
  const rules = wanted.split("\n").length - (isBaseChain(wanted) ? 1 : 0);
  const stamp = stampOf(wanted);
  return comments.length === rules && comments.every((comment) => comment === stamp) ? wanted : UNKNOWN;
}

/** The same of a map or set; the first line of the answer is always its kind. */
export function setIn(table: NftTable, name: string, wanted: string | undefined): string | undefined {
  const set = table.sets.get(name);
  if (set === undefined) return undefined;
  return wanted !== undefined && set.comment === stampOf(wanted) ? wanted : `${set.kind}\n${UNKNOWN}`;
}

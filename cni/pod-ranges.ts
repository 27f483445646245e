import { byAge } from "../config/mod.ts";
import { explainError, IronbridgeError } from "../core/mod.ts";
import type { V1Namespace } from "../kube/mod.ts";
import {
  ADDRESS_BITS,
  type Prefix,
  parsePrefix,
  prefixRange,
  printPrefix,
  type Range,
  rangesOverlap,
} from "../net/mod.ts";
import { AddressPool } from "./address-pool.ts";

/** Namespaces claim parts of every node's pod prefix with this annotation: a list of host parts, separated by commas. */
export const RANGES_ANNOTATION = "ironbridge.io/pod-ranges";

/** The annotation of one Namespace. */
export interface RangeClaim {
  readonly namespace: string;
  readonly value: string;
}

/** A part of a pod prefix of this node that only pods of some Namespaces get addresses of. */
export interface Slice {
  readonly prefix: Prefix;
  readonly namespaces: readonly string[];
}

/** What all claims come to on one node. */
export interface SlicePlan {
  /** No two overlap. */
  readonly slices: readonly Slice[];
  /** What is wrong with a claim, by the name of its Namespace. What is right in it keeps pods of others out all the same. */
  readonly problems: ReadonlyMap<string, string>;
}

export function claimOf(namespace: V1Namespace | undefined): string | undefined {
  return namespace?.metadata?.annotations?.[RANGES_ANNOTATION];
}

/** In the order in which they win: the claims of older Namespaces first. */
export function rangeClaims(namespaces: readonly V1Namespace[]): RangeClaim[] {
  const claiming = namespaces.filter((namespace) => claimOf(namespace) !== undefined).sort(byAge);
  return claiming.map((namespace) => ({
    namespace: namespace.metadata?.name ?? "",
    value: claimOf(namespace) ?? "",
  }));
}

/**
 * Divides the node's pod prefixes as the Namespaces claim it. A claim of a family that the node has no prefix of says
 * nothing. Pure.
 * @param claims The first of two that exclude each other stands.
 */
export function planSlices(claims: readonly RangeClaim[], prefixes: readonly Prefix[]): SlicePlan {
  const slices = new Map<string, Slice>();
  const problems = new Map<string, string>();
  for (const { namespace, value } of claims) {
    const mistakes: string[] = [];
    for (const text of value.split(",").map((part) => part.trim())) {
      try {
        if (text !== "") addSlice(slices, { namespace, text }, prefixes);
      } catch (error) {
        mistakes.push(explainError(error));
      }
    }
    const what = `annotation ${RANGES_ANNOTATION} "${value}" of Namespace ${namespace}`;
    if (mistakes.length > 0) problems.set(namespace, `${what}: ${mistakes.join("; ")}`);
  }
  return { slices: [...slices.values()], problems };
}

/** What `parts`, no two of which overlap, leave of `prefix`, lowest first. */
export function restOf(prefix: Prefix, parts: readonly Prefix[]): Range[] {
  const { family, first, last } = prefixRange(prefix);
  const taken = parts.map(prefixRange).filter((range) => range.family === family);
  taken.sort((a, b) => (a.first < b.first ? -1 : 1));
  const starts = [first, ...taken.map((range) => range.last + 1n)];
  const ends = [...taken.map((range) => range.first - 1n), last];
  return starts.map((start, i) => ({ family, first: start, last: ends[i]! })).filter((gap) => gap.first <= gap.last);
}

interface Entry {
  readonly namespace: string;
  /** As somebody wrote it. */
  readonly text: string;
}

/** @throws {IronbridgeError} IB_ADDRESS_INVALID saying what is wrong and what to write. */
function addSlice(slices: Map<string, Slice>, { namespace, text }: Entry, prefixes: readonly Prefix[]): void {
  const part = parseHostPart(text);
  const node = prefixes.find(({ family }) => family === part.family);
  if (node === undefined) return;
  const prefix = sliceOf(node, part, text);
  const key = printPrefix(prefix);
  const same = slices.get(key);
  if (same === undefined) {
    const others = [...slices.values()];
    refuseOverlap(others, prefix, text);
    refuseWhole(node, [...others.map((slice) => slice.prefix), prefix], text);
  }
  slices.set(key, { prefix, namespaces: [...new Set([...(same?.namespaces ?? []), namespace])] });
}

function parseHostPart(text: string): Prefix {
  try {
    return parsePrefix(text);
  } catch {
    throw mistake(`"${text}" is no host part such as 0.0.0.64/26 or ::40/122`);
  }
}

/** `part` of the node's own prefix. */
function sliceOf(node: Prefix, part: Prefix, text: string): Prefix {
  const own = `the node's pod prefix ${printPrefix(node)}`;
  if (part.length < node.length) {
    throw mistake(`${text} is larger than ${own}; write a length of at least ${node.length + 1}`);
  }
  const first = part.first % (1n << BigInt(ADDRESS_BITS[node.family] - node.length));
  if (part.first === first) return { ...part, first: node.first | first };
  throw mistake(`${text} does not lie in ${own}; write the host's bits only: ${printPrefix({ ...part, first })}`);
}

function refuseOverlap(others: readonly Slice[], prefix: Prefix, text: string): void {
  const other = others.find((slice) => rangesOverlap(prefixRange(slice.prefix), prefixRange(prefix)));
  if (other === undefined) return;
  const owners = `${printPrefix(other.prefix)}, which Namespace ${other.namespaces.join(", ")} has`;
  throw mistake(`${text} overlaps ${owners}; write the same part to share it, or another one`);
}

/** A Namespace that took everything would stop the pods of all others. */
function refuseWhole(node: Prefix, parts: readonly Prefix[], text: string): void {
  if (new AddressPool(node, restOf(node, parts)).capacity > 0) return;
  throw mistake(`${text} leaves pods of other Namespaces no address of ${printPrefix(node)}; write a smaller part`);
}

function mistake(message: string): IronbridgeError {
  return new IronbridgeError("IB_ADDRESS_INVALID", message);
}

import {
  ADDRESS_BITS,
  parsePrefix,
  parseRange,
  prefixRange,
  printRange,
  type Range,
  rangesOverlap,
  tryParseAddress,
} from "../net/mod.ts";
import { IP_ADDRESS_POOL, IP_ADDRESS_POOLS, type IPAddressPool } from "./ip-address-pool.ts";
import type { Pool } from "./model.ts";
import { describeObject, problemsOf, type Resolved, readObject } from "./refusal.ts";
import { type FieldMistake, showValue } from "./schema.ts";

/** @param older The pools that were there before, which stand when two exclude each other. */
export function resolvePool(object: IPAddressPool, older: readonly Pool[]): Resolved<Pool> {
  const read = readObject(IP_ADDRESS_POOLS, IP_ADDRESS_POOL, object);
  if (!read.ok) return read;
  const { name, namespace, spec } = read;
  const { addresses, autoAssign, avoidBuggyIPs, serviceAllocation } = spec;
  const ranges = addresses.map(parseRange);
  const mistakes = [...namesakes(name, older), ...overlaps(addresses, ranges, older)];
  if (mistakes.length > 0) return { problems: problemsOf(IP_ADDRESS_POOLS, object, mistakes) };
  const ends = spec.reserveFirstAndLast ? addresses.flatMap(endsOf) : [];
  const holes = joined([...spec.excludes.map(readExclude), ...ends]);
  const { labels = {} } = object.metadata ?? {};
  const pool = { name, namespace, ranges, holes, autoAssign, avoidBuggyIps: avoidBuggyIPs, labels };
  return { value: serviceAllocation === undefined ? pool : { ...pool, serviceAllocation }, problems: [] };
}

/** A pool is known by its name alone (annotations name it so), so that two namespaces can't both have it. */
function namesakes(name: string, older: readonly Pool[]): FieldMistake[] {
  const other = older.find((pool) => pool.name === name);
  if (other === undefined) return [];
  const complaint = `${describePool(other)}, which came first, has the same name; give one of the two another name`;
  return [{ field: "metadata.name", value: showValue(name), complaint }];
}

function overlaps(texts: readonly string[], ranges: readonly Range[], older: readonly Pool[]): FieldMistake[] {
  return ranges.flatMap((range, i) => {
    const mistake = (other: Range, owner: string) => ({
      field: `spec.addresses[${i}]`,
      value: showValue(texts[i]),
      complaint: `the range overlaps with already defined CIDR ${printRange(other)} of ${owner}; take the shared addresses out of one of the two`,
    });
    const own = ranges.slice(0, i).find((other) => rangesOverlap(range, other));
    if (own !== undefined) return [mistake(own, "the same pool")];
    for (const pool of older) {
      const taken = pool.ranges.find((other) => rangesOverlap(range, other));
      if (taken !== undefined) return [mistake(taken, `${describePool(pool)}, which came first`)];
    }
    return [];
  });
}

/** First and last address of a prefix of more than two; a run of addresses has no such ends. */
function endsOf(text: string): readonly Range[] {
  if (text.includes("-")) return [];
  const prefix = parsePrefix(text);
  if (ADDRESS_BITS[prefix.family] - prefix.length < 2) return [];
  const { family, first, last } = prefixRange(prefix);
  return [
    { family, first, last: first },
    { family, first: last, last },
  ];
}

function readExclude(text: string): Range {
  const address = tryParseAddress(text.trim());
  if (address === undefined) return parseRange(text);
  return { family: address.family, first: address.value, last: address.value };
}

/** The same addresses as ranges that are apart, lowest first. */
function joined(ranges: readonly Range[]): readonly Range[] {
  const sorted = [...ranges].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const result: Range[] = [];
  for (const family of ["ipv4", "ipv6"] as const) {
    for (const range of sorted.filter((each) => each.family === family)) {
      const before = result.at(-1);
      if (before?.family !== family || range.first > before.last + 1n) result.push(range);
      else if (range.last > before.last) result[result.length - 1] = { ...before, last: range.last };
    }
  }
  return result;
}

function describePool(pool: Pool): string {
  return describeObject(IP_ADDRESS_POOLS, pool);
}

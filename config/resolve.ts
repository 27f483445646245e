import { parseRange, printRange, type Range, rangesOverlap } from "../net/mod.ts";
import { IP_ADDRESS_POOL, IP_ADDRESS_POOLS, type IPAddressPool } from "./ip-address-pool.ts";
import { L2_ADVERTISEMENT, L2_ADVERTISEMENTS, type L2Advertisement } from "./l2-advertisement.ts";
import type { Config, L2Advert, Pool, Problem } from "./model.ts";
import { byAge, type CustomResource, compareText, nameOf, type ObjectMeta } from "./resource.ts";
import { type FieldMistake, parseSpec, showValue } from "./schema.ts";

/** The objects that make the configuration, as the API server holds them. */
export interface ConfigObjects {
  readonly pools: readonly IPAddressPool[];
  readonly l2Advertisements: readonly L2Advertisement[];
}

/** One object read: what it says, or what is wrong with it. */
type Resolved<T> = { readonly value?: T; readonly problems: readonly Problem[] };

/**
 * Reads custom resources into the configuration. An object with a mistake is left out and reported, and changes
 * nothing for the others; of objects that exclude each other the older one stands. Pure.
 */
export function resolveConfig(objects: ConfigObjects): Config {
  const accepted: Pool[] = [];
  const problems: Problem[] = [];
  for (const object of [...objects.pools].sort(byAge)) {
    const pool = resolvePool(object, accepted);
    if (pool.value !== undefined) accepted.push(pool.value);
    problems.push(...pool.problems);
  }
  const adverts = [...objects.l2Advertisements].sort(byAge).map(resolveL2Advertisement);
  problems.push(...adverts.flatMap((advert) => advert.problems));
  return {
    pools: accepted.sort((a, b) => compareText(a.name, b.name)),
    l2Advertisements: adverts
      .flatMap(({ value }) => (value === undefined ? [] : [value]))
      .sort((a, b) => compareText(nameOf({ metadata: a }), nameOf({ metadata: b }))),
    problems,
  };
}

function resolvePool(object: IPAddressPool, older: readonly Pool[]): Resolved<Pool> {
  const parsed = parseSpec(IP_ADDRESS_POOL.spec, object.spec);
  if (!parsed.ok) return refuse(IP_ADDRESS_POOLS, object, parsed.mistakes);
  const { name = "", namespace = "", labels = {} } = object.metadata ?? {};
  const { addresses, autoAssign, avoidBuggyIPs, serviceAllocation } = parsed.value;
  const ranges = addresses.map(parseRange);
  const mistakes = [...namesakes(object, older), ...overlaps(addresses, ranges, older)];
  if (mistakes.length > 0) return refuse(IP_ADDRESS_POOLS, object, mistakes);
  const pool = { name, namespace, ranges, autoAssign, avoidBuggyIps: avoidBuggyIPs, labels };
  return { value: serviceAllocation === undefined ? pool : { ...pool, serviceAllocation }, problems: [] };
}

function resolveL2Advertisement(object: L2Advertisement): Resolved<L2Advert> {
  const parsed = parseSpec(L2_ADVERTISEMENT.spec, object.spec);
  if (!parsed.ok) return refuse(L2_ADVERTISEMENTS, object, parsed.mistakes);
  const { name = "", namespace = "" } = object.metadata ?? {};
  const { ipAddressPools, ipAddressPoolSelectors, ...rest } = parsed.value;
  return {
    value: { name, namespace, pools: ipAddressPools, poolSelectors: ipAddressPoolSelectors, ...rest },
    problems: [],
  };
}

/** A pool is known by its name alone (annotations name it so), so that two namespaces can't both have it. */
function namesakes(object: IPAddressPool, older: readonly Pool[]): FieldMistake[] {
  const name = object.metadata?.name ?? "";
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

function describePool(pool: Pool): string {
  return `${IP_ADDRESS_POOLS.kind} ${nameOf({ metadata: pool })}`;
}

function refuse<T>(
  resource: CustomResource<unknown>,
  object: { readonly metadata?: ObjectMeta },
  mistakes: readonly FieldMistake[],
): Resolved<T> {
  const { name = "", namespace = "" } = object.metadata ?? {};
  const problems = mistakes.map(({ field, value, complaint }) => ({
    kind: resource.kind,
    namespace,
    name,
    field,
    value,
    message: `${resource.kind} ${nameOf(object)}: ${field} is ${value}: ${complaint}.`,
  }));
  return { problems };
}

import { isBuggyAddress, type Pool } from "../config/mod.ts";
import type { Address, Family, Range } from "../net/mod.ts";
import { sharingConflict, type Tenant } from "./tenant.ts";

/** How many addresses of one family a pool has and how many of them are held. Addresses count once, however shared. */
export interface FamilyUsage {
  readonly total: bigint;
  readonly held: number;
}

/** Who holds which addresses of one pool. Costs memory per held address, not per address of the pool. */
export class PoolLedger {
  readonly pool: Pool;
  /** The pool's ranges without its holes, in the order of the spec. */
  readonly #runs: readonly Range[];
  readonly #tenants = { ipv4: new Map<bigint, readonly Tenant[]>(), ipv6: new Map<bigint, readonly Tenant[]>() };
  /** The addresses whose tenants have a sharing key, by that key: a search for one to share looks at no others. */
  readonly #shared = { ipv4: new Map<string, Set<bigint>>(), ipv6: new Map<string, Set<bigint>>() };
  /** Per run: no address below this one is free. Lets an allocation start where the last one ended. */
  readonly #marks: bigint[];

  constructor(pool: Pool) {
    this.pool = pool;
    this.#runs = pool.ranges.flatMap((range) => withoutHoles(range, pool.holes));
    this.#marks = this.#runs.map(({ first }) => first);
  }

  hold(address: Address, tenant: Tenant): void {
    const { family, value } = address;
    this.#put(family, value, [...without(this.#tenants[family].get(value), tenant.owner), tenant]);
  }

  release(address: Address, owner: string): void {
    const { family, value } = address;
    const rest = without(this.#tenants[family].get(value), owner);
    this.#put(family, value, rest);
    if (rest.length > 0) return;
    const index = this.#runs.findIndex((run) => inRange(run, family, value));
    if (index >= 0 && value < this.#marks[index]!) this.#marks[index] = value;
  }

  holdersOf(address: Address): readonly Tenant[] {
    return this.#tenants[address.family].get(address.value) ?? [];
  }

  /** Why `tenant` can't have `address`; undefined when it is free or can be shared. */
  conflict(address: Address, tenant: Tenant): string | undefined {
    return sharingConflict(tenant, this.holdersOf(address), address);
  }

  /**
   * The first address, in the order of the pool's ranges, that is free or that `tenant` may share.
   * @param avoided True for an address to leave alone though it is free.
   */
  lowest(family: Family, tenant: Tenant, avoided: (value: bigint) => boolean): Address | undefined {
    for (const [index, run] of this.#runs.entries()) {
      if (run.family !== family) continue;
      const candidates = [this.#lowestFree(index, run, avoided), this.#lowestShared(run, tenant)];
      const value = candidates.reduce((a, b) => (a === undefined || (b !== undefined && b < a) ? b : a));
      if (value !== undefined) return { family, value };
    }
    return undefined;
  }

  usage(family: Family): FamilyUsage {
    const runs = this.#runs.filter((run) => run.family === family);
    const total = runs.reduce((sum, run) => sum + this.#sizeOf(run), 0n);
    return { total, held: this.#tenants[family].size };
  }

  #put(family: Family, value: bigint, tenants: readonly Tenant[]): void {
    const held = this.#tenants[family];
    for (const { sharingKey } of held.get(value) ?? []) this.#unshare(family, sharingKey, value);
    if (tenants.length === 0) held.delete(value);
    else held.set(value, tenants);
    for (const { sharingKey } of tenants) {
      if (sharingKey === "") continue;
      const values = this.#shared[family].get(sharingKey) ?? new Set();
      this.#shared[family].set(sharingKey, values.add(value));
    }
  }

  #unshare(family: Family, sharingKey: string, value: bigint): void {
    const values = this.#shared[family].get(sharingKey);
    values?.delete(value);
    if (values?.size === 0) this.#shared[family].delete(sharingKey);
  }

  #lowestFree(index: number, { family, last }: Range, avoided: (value: bigint) => boolean): bigint | undefined {
    const held = this.#tenants[family];
    const taken = (value: bigint) => held.has(value) || this.#isBuggy(family, value);
    let value = this.#marks[index]!;
    while (value <= last && taken(value)) value++;
    this.#marks[index] = value;
    while (value <= last && (taken(value) || avoided(value))) value++;
    return value <= last ? value : undefined;
  }

  #lowestShared(run: Range, tenant: Tenant): bigint | undefined {
    let lowest: bigint | undefined;
    for (const value of this.#shared[run.family].get(tenant.sharingKey) ?? []) {
      if (!inRange(run, run.family, value) || (lowest !== undefined && value > lowest)) continue;
      if (this.conflict({ family: run.family, value }, tenant) === undefined) lowest = value;
    }
    return lowest;
  }

  #isBuggy(family: Family, value: bigint): boolean {
    return this.pool.avoidBuggyIps && isBuggyAddress({ family, value });
  }

  #sizeOf({ family, first, last }: Range): bigint {
    const size = last - first + 1n;
    if (!this.pool.avoidBuggyIps || family === "ipv6") return size;
    return size - (buggyUpTo(last) - buggyUpTo(first - 1n));
  }
}

/** @param holes Apart from each other, lowest first. */
function withoutHoles(range: Range, holes: readonly Range[]): readonly Range[] {
  const { family, last } = range;
  const runs: Range[] = [];
  let first = range.first;
  for (const hole of holes) {
    if (hole.family !== family || hole.last < first || hole.first > last) continue;
    if (hole.first > first) runs.push({ family, first, last: hole.first - 1n });
    first = hole.last + 1n;
  }
  if (first <= last) runs.push({ family, first, last });
  return runs;
}

/** How many IPv4 addresses from 0.0.0.0 to `value` end in .0 or .255; `value` may be -1 for none. */
function buggyUpTo(value: bigint): bigint {
  return value < 0n ? 0n : value / 256n + 1n + (value + 1n) / 256n;
}

function inRange(range: Range, family: Family, value: bigint): boolean {
  return range.family === family && range.first <= value && value <= range.last;
}

function without(tenants: readonly Tenant[] = [], owner: string): readonly Tenant[] {
  return tenants.filter((tenant) => tenant.owner !== owner);
}

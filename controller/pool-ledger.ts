import { isBuggyAddress, type Pool } from "../config/mod.ts";
import { type Address, type Family, printAddress, type Range } from "../net/mod.ts";
import { sharingConflict, type Tenant } from "./tenant.ts";

/** How many addresses of one family a pool has and how many of them are held. Addresses count once, however shared. */
export interface FamilyUsage {
  readonly total: bigint;
  readonly held: number;
}

/** Who holds which addresses of one pool. Costs memory per held address, not per address of the pool. */
export class PoolLedger {
  readonly pool: Pool;
  readonly #tenants = { ipv4: new Map<bigint, readonly Tenant[]>(), ipv6: new Map<bigint, readonly Tenant[]>() };
  /** Per range: no address below this one is free. Lets an allocation start where the last one ended. */
  readonly #marks: bigint[];

  constructor(pool: Pool) {
    this.pool = pool;
    this.#marks = pool.ranges.map(({ first }) => first);
  }

  hold(address: Address, tenant: Tenant): void {
    const held = this.#tenants[address.family];
    held.set(address.value, [...without(held.get(address.value), tenant.owner), tenant]);
  }

  release(address: Address, owner: string): void {
    const held = this.#tenants[address.family];
    const rest = without(held.get(address.value), owner);
    if (rest.length > 0) {
      held.set(address.value, rest);
      return;
    }
    held.delete(address.value);
    const index = this.pool.ranges.findIndex((range) => inRange(range, address.family, address.value));
    if (index >= 0 && address.value < this.#marks[index]!) this.#marks[index] = address.value;
  }

  /** Why `tenant` can't have `address`; undefined when it is free or can be shared. */
  conflict(address: Address, tenant: Tenant): string | undefined {
    const holders = this.#tenants[address.family].get(address.value) ?? [];
    return sharingConflict(tenant, holders, printAddress(address));
  }

  /** The first address, in the order of the pool's ranges, that is free or that `tenant` may share. */
  lowest(family: Family, tenant: Tenant): Address | undefined {
    for (const [index, range] of this.pool.ranges.entries()) {
      if (range.family !== family) continue;
      const candidates = [this.#lowestFree(index, range), this.#lowestShared(range, tenant)];
      const value = candidates.reduce((a, b) => (a === undefined || (b !== undefined && b < a) ? b : a));
      if (value !== undefined) return { family, value };
    }
    return undefined;
  }

  usage(family: Family): FamilyUsage {
    const ranges = this.pool.ranges.filter((range) => range.family === family);
    const total = ranges.reduce((sum, range) => sum + this.#sizeOf(range), 0n);
    return { total, held: this.#tenants[family].size };
  }

  #lowestFree(index: number, range: Range): bigint | undefined {
    const held = this.#tenants[range.family];
    let value = this.#marks[index]!;
    while (value <= range.last && (held.has(value) || this.#avoids(range.family, value))) value++;
    this.#marks[index] = value;
    return value <= range.last ? value : undefined;
  }

  #lowestShared(range: Range, tenant: Tenant): bigint | undefined {
    if (tenant.sharingKey === "") return undefined;
    let lowest: bigint | undefined;
    for (const [value, holders] of this.#tenants[range.family]) {
      if (!inRange(range, range.family, value) || (lowest !== undefined && value > lowest)) continue;
      if (sharingConflict(tenant, holders, "") === undefined) lowest = value;
    }
    return lowest;
  }

  #avoids(family: Family, value: bigint): boolean {
    return this.pool.avoidBuggyIps && isBuggyAddress({ family, value });
  }

  #sizeOf(range: Range): bigint {
    const size = range.last - range.first + 1n;
    if (!this.pool.avoidBuggyIps || range.family === "ipv6") return size;
    return size - (buggyUpTo(range.last) - buggyUpTo(range.first - 1n));
  }
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

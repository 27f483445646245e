import { type Pool, poolOf } from "../config/mod.ts";
import { type Address, type Family, printAddress, sameAddress } from "../net/mod.ts";
import type { Cooling } from "./address-memory.ts";
import { type FamilyUsage, PoolLedger } from "./pool-ledger.ts";
import { sameTenant, type Tenant } from "./tenant.ts";

/** What one Service holds: one address, or one of each family, of one pool. */
export interface Claim {
  readonly tenant: Tenant;
  readonly pool: string;
  readonly addresses: readonly Address[];
}

export type Grant =
  | { readonly ok: true; readonly claim: Claim }
  /** `why` follows "Failed to allocate IP: ", in MetalLB's words where it has them. */
  | { readonly ok: false; readonly why: string };

export interface PoolUsage {
  readonly pool: string;
  readonly ipv4: FamilyUsage;
  readonly ipv6: FamilyUsage;
  /** How many Services hold addresses of it. */
  readonly services: number;
}

/** Knows who holds which address and what is free. Pure: no clock, no network, no randomness. */
export class Allocator {
  #pools: readonly Pool[] = [];
  #ledgers: ReadonlyMap<string, PoolLedger> = new Map();
  #cooling: Cooling = { ipv4: new Map(), ipv6: new Map() };
  /** The ledgers' entries as the owners see them; only #hold() and release() write either. */
  readonly #claims = new Map<string, Claim>();

  /** By name. */
  get pools(): readonly Pool[] {
    return this.#pools;
  }

  claimOf(owner: string): Claim | undefined {
    return this.#claims.get(owner);
  }

  /**
   * Puts `pools` in force. Claims whose addresses still lie in one pool stay, under that pool's name;
   * the others are gone.
   */
  setPools(pools: readonly Pool[]): void {
    const claims = [...this.#claims.values()];
    this.#claims.clear();
    this.#pools = pools;
    this.#ledgers = new Map(pools.map((pool) => [pool.name, new PoolLedger(pool)]));
    for (const { tenant, addresses } of claims) {
      const pool = poolOf(this, addresses);
      if (pool !== undefined) this.#hold({ tenant, pool: pool.name, addresses });
    }
  }

  /** Addresses that are free and not to be given out yet; in force until the next call. */
  rest(cooling: Cooling): void {
    this.#cooling = cooling;
  }

  /** Gives exactly `addresses`, in place of what the tenant had. Refused as a whole, and then nothing changes. */
  assign(tenant: Tenant, addresses: readonly Address[]): Grant {
    const why = addresses.map((address) => this.#resting(address, tenant)).find((each) => each !== undefined);
    return why === undefined ? this.reclaim(tenant, addresses) : { ok: false, why };
  }

  /** As assign(), for what the tenant shows already: it has it, though one who shared it may have given it up just now. */
  reclaim(tenant: Tenant, addresses: readonly Address[]): Grant {
    const pool = poolOf(this, addresses);
    if (pool === undefined) {
      const owner = addresses.length > 1 ? "holds all of them" : "holds it";
      return { ok: false, why: `${printAddresses(addresses)} is not allowed in config: no IPAddressPool ${owner}` };
    }
    const ledger = this.#ledgers.get(pool.name)!;
    for (const address of addresses) {
      const why = ledger.conflict(address, tenant);
      if (why !== undefined) return { ok: false, why };
    }
    return { ok: true, claim: this.#hold({ tenant, pool: pool.name, addresses }) };
  }

  /** Gives the lowest address of each of `families` that `pool` has for the tenant: all of them or none. */
  allocate(tenant: Tenant, pool: Pool, families: readonly Family[]): Grant {
    const addresses = families.map((family) =>
      this.#ledgers.get(pool.name)?.lowest(family, tenant, this.#avoidedBy(tenant, family)),
    );
    if (!addresses.every((address) => address !== undefined)) {
      return { ok: false, why: `no available IPs in pool "${pool.name}"` };
    }
    return { ok: true, claim: this.#hold({ tenant, pool: pool.name, addresses }) };
  }

  /** Adds the lowest address of `family` that the claim's pool has, and keeps what the claim has. */
  extend(claim: Claim, family: Family): Grant {
    const { tenant } = claim;
    const address = this.#ledgers.get(claim.pool)?.lowest(family, tenant, this.#avoidedBy(tenant, family));
    if (address === undefined) return { ok: false, why: `no available IPs in pool "${claim.pool}"` };
    return { ok: true, claim: this.#hold({ ...claim, addresses: [...claim.addresses, address] }) };
  }

  /** Frees what `owner` holds, if anything. */
  release(owner: string): void {
    const claim = this.#claims.get(owner);
    if (claim === undefined) return;
    this.#claims.delete(owner);
    const ledger = this.#ledgers.get(claim.pool)!;
    for (const address of claim.addresses) ledger.release(address, owner);
  }

  /** By name of the pool. */
  usage(): readonly PoolUsage[] {
    const services = new Map<string, number>();
    for (const { pool } of this.#claims.values()) services.set(pool, (services.get(pool) ?? 0) + 1);
    return Array.from(this.#ledgers, ([pool, ledger]) => ({
      pool,
      ipv4: ledger.usage("ipv4"),
      ipv6: ledger.usage("ipv6"),
      services: services.get(pool) ?? 0,
    }));
  }

  /** True for addresses that rest after somebody else had them; who had one itself may have it back. */
  #avoidedBy({ owner }: Tenant, family: Family): (value: bigint) => boolean {
    const cooling = this.#cooling[family];
    return (value) => cooling.get(value)?.includes(owner) === false;
  }

  #resting(address: Address, tenant: Tenant): string | undefined {
    const { family, value } = address;
    if (!this.#avoidedBy(tenant, family)(value) || this.#isHeld(address)) return undefined;
    const formers = this.#cooling[family].get(value)!.join(" and ");
    return `"${printAddress(address)}" was ${formers}'s a moment ago and rests until its cool-down ends`;
  }

  #isHeld(address: Address): boolean {
    const pool = poolOf(this, [address]);
    return pool !== undefined && this.#ledgers.get(pool.name)!.holdersOf(address).length > 0;
  }

  #hold(claim: Claim): Claim {
    this.release(claim.tenant.owner);
    this.#claims.set(claim.tenant.owner, claim);
    const ledger = this.#ledgers.get(claim.pool)!;
    for (const address of claim.addresses) ledger.hold(address, claim.tenant);
    return claim;
  }
}

/** True when both are the same addresses for the same use. */
export function sameClaim(a: Claim, b: Claim): boolean {
  return sameTenant(a.tenant, b.tenant) && sameAddresses(a.addresses, b.addresses);
}

/** True when both name the same addresses, in any order. */
export function sameAddresses(a: readonly Address[], b: readonly Address[]): boolean {
  return a.length === b.length && a.every((address) => b.some((other) => sameAddress(address, other)));
}

/** `["192.0.2.1" "2001:db8::1"]`, the form of MetalLB's messages. */
export function printAddresses(addresses: readonly Address[]): string {
  return `[${addresses.map((address) => `"${printAddress(address)}"`).join(" ")}]`;
}

import {
  type Address,
  type Prefix,
  prefixContains,
  printAddress,
  printPrefix,
  printRange,
  type Range,
} from "../net/mod.ts";
import { AddressPool } from "./address-pool.ts";
import type { AttachmentKey } from "./attachment.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import type { Lease, LeaseStore } from "./lease-store.ts";
import type { PodNetwork } from "./pod-network.ts";
import type { PodAddress } from "./result.ts";

/** Which addresses an attachment must have. */
export interface AddressWish {
  readonly addresses: readonly Address[];
  /** Where the others must lie; any address will do of a family without one. */
  readonly ranges: readonly Range[];
  /** The prefixes of the node that one is given of, each; all of them when absent. */
  readonly subnets?: readonly Prefix[];
}

const ANY_ADDRESS: AddressWish = { addresses: [], ranges: [] };

function refused(message: string): CniError {
  return new CniError(CniErrorCode.AddressRefused, message);
}

function exhausted(message: string): CniError {
  return new CniError(CniErrorCode.NoFreeAddress, message);
}

/** Each address asked for must be of one pool, and no pool gives two. */
function refuseForeign(addresses: readonly Address[], pools: readonly AddressPool[]): void {
  const seen = new Set<AddressPool>();
  for (const address of addresses) {
    const pool = pools.find(({ prefix }) => prefixContains(prefix, address));
    const text = printAddress(address);
    if (pool === undefined) throw refused(`address ${text} is not in the node's pod prefixes ${printPools(pools)}`);
    if (seen.has(pool)) throw refused(`address ${text} is the second one asked for in ${printPrefix(pool.prefix)}`);
    seen.add(pool);
  }
}

function printPools(pools: readonly AddressPool[]): string {
  return pools.map((pool) => printPrefix(pool.prefix)).join(", ");
}

/** Gives pods addresses of the node's prefixes, one per family. The store holds the truth, the pools know what is free. */
export class Ipam {
  readonly #store: LeaseStore;
  #pools: readonly AddressPool[] = [];

  constructor(store: LeaseStore) {
    this.#store = store;
  }

  /** Takes the node's prefixes as they are now. Addresses of earlier prefixes stay with their pods. */
  setNetwork(network: PodNetwork): void {
    const pools = network.prefixes.map((prefix) => new AddressPool(prefix));
    const inOrder = { freed: this.#store.freed(), held: this.#store.list().flatMap((lease) => lease.addresses) };
    for (const pool of pools) {
      for (const address of inOrder.freed) pool.free(address);
      for (const address of inOrder.held) pool.hold(address);
    }
    this.#pools = pools;
  }

  /**
   * Writes down a new attachment with its addresses, not complete yet.
   * @throws {CniError} AlreadyAttached, AddressRefused naming the address asked for, or NoFreeAddress naming the prefix
   * that is full.
   */
  reserve(lease: Omit<Lease, "addresses" | "complete">, wish: AddressWish = ANY_ADDRESS): PodAddress[] {
    this.#refuseSecond(lease.key);
    const pools = wish.subnets === undefined ? this.#pools : wish.subnets.map((subnet) => this.#poolOf(subnet));
    refuseForeign(wish.addresses, pools);
    const taken: PodAddress[] = [];
    try {
      for (const pool of pools) taken.push(this.#take(pool, wish));
      this.#store.insert({ ...lease, addresses: taken.map(({ address }) => address) });
      return taken;
    } catch (error) {
      for (const { address } of taken) this.#free(address);
      throw error;
    }
  }

  /**
   * Writes down an attachment whose addresses another plugin gave, not complete yet.
   * @throws {CniError} AlreadyAttached
   */
  record(lease: Omit<Lease, "complete">): void {
    this.#refuseSecond(lease.key);
    this.#store.insert(lease);
    for (const pool of this.#pools) for (const address of lease.addresses) pool.hold(address);
  }

  /** Says that the attachment works: from now on only DEL or GC removes it. */
  complete(key: AttachmentKey): void {
    this.#store.markComplete(key);
  }

  /** Forgets the attachment and frees its addresses. Nothing happens when it is unknown. */
  release(key: AttachmentKey): void {
    const lease = this.#store.get(key);
    if (lease === undefined) return;
    this.#store.remove(key);
    for (const address of lease.addresses) this.#free(address);
  }

  get(key: AttachmentKey): Lease | undefined {
    return this.#store.get(key);
  }

  list(): Lease[] {
    return this.#store.list();
  }

  /** Prefixes with no free address left. */
  full(): string[] {
    return this.#pools.filter((pool) => pool.used >= pool.capacity).map((pool) => printPrefix(pool.prefix));
  }

  /** Addresses held and at most to hold, per prefix. */
  usage(): { readonly prefix: string; readonly used: number; readonly capacity: number }[] {
    return this.#pools.map(({ prefix, used, capacity }) => ({ prefix: printPrefix(prefix), used, capacity }));
  }

  #refuseSecond(key: AttachmentKey): void {
    if (this.#store.get(key) === undefined) return;
    const message = `container ${key.containerId} has an interface ${key.ifname} already; DEL comes first`;
    throw new CniError(CniErrorCode.AlreadyAttached, message);
  }

  #poolOf(subnet: Prefix): AddressPool {
    const text = printPrefix(subnet);
    const pool = this.#pools.find(({ prefix }) => printPrefix(prefix) === text);
    if (pool !== undefined) return pool;
    throw refused(`subnet ${text} is none of the node's pod prefixes ${printPools(this.#pools)}`);
  }

  #take(pool: AddressPool, { addresses, ranges }: AddressWish): PodAddress {
    const wanted = addresses.find((address) => prefixContains(pool.prefix, address));
    const within = ranges.filter(({ family }) => family === pool.family);
    const free = () => (within.length === 0 ? pool.take() : pool.takeWithin(within));
    const address = wanted === undefined ? free() : pool.takeThis(wanted);
    if (address !== undefined) return { address, length: pool.prefix.length, gateway: pool.gateway };
    if (wanted !== undefined) throw refused(`address ${printAddress(wanted)} is in use or reserved`);
    if (within.length > 0) throw exhausted(`all addresses of ${within.map(printRange).join(", ")} are in use`);
    const message = `all ${pool.capacity} addresses of ${printPrefix(pool.prefix)}, the node's pod prefix, are in use`;
    throw exhausted(message);
  }

  #free(address: Address): void {
    for (const pool of this.#pools) pool.free(address);
  }
}

import { type Address, type Prefix, prefixContains, printAddress, printPrefix } from "../net/mod.ts";
import type { AttachmentKey } from "./attachment.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import type { Lease, LeaseStore, NewLease } from "./lease-store.ts";
import type { PodNetwork } from "./pod-network.ts";
import { planSlices, type RangeClaim, type SlicePlan } from "./pod-ranges.ts";
import type { PodAddress } from "./result.ts";
import { type PrefixWish, SlicedPrefix } from "./sliced-prefix.ts";

/** Which addresses an attachment must have. */
export interface AddressWish extends PrefixWish {
  /** The prefixes of the node that one is given of, each; all of them when absent. */
  readonly subnets?: readonly Prefix[];
}

const ANY_ADDRESS: AddressWish = { addresses: [], ranges: [] };

function refused(message: string): CniError {
  return new CniError(CniErrorCode.AddressRefused, message);
}

/** Each address asked for must be of one prefix, and no prefix gives two. */
function refuseForeign(addresses: readonly Address[], prefixes: readonly Prefix[]): void {
  const seen = new Set<Prefix>();
  for (const address of addresses) {
    const prefix = prefixes.find((each) => prefixContains(each, address));
    const text = printAddress(address);
    if (prefix === undefined) throw refused(`address ${text} is not in the node's pod prefixes ${printAll(prefixes)}`);
    if (seen.has(prefix)) throw refused(`address ${text} is the second one asked for in ${printPrefix(prefix)}`);
    seen.add(prefix);
  }
}

function printAll(prefixes: readonly Prefix[]): string {
  return prefixes.map(printPrefix).join(", ");
}

/** The node's prefixes with the slices in them. */
interface Division extends Pick<SlicePlan, "problems"> {
  readonly prefixes: readonly SlicedPrefix[];
}

/** Gives pods addresses of the node's prefixes, one per family. The store holds the truth, the pools know what is free. */
export class Ipam {
  readonly #store: LeaseStore;
  readonly #claims: () => readonly RangeClaim[];
  #prefixes: readonly Prefix[] = [];
  /** Undefined when it is to be made anew. */
  #division: Division | undefined;

  /** @param claims What Namespaces claim, the first of two that exclude each other before the other. */
  constructor(store: LeaseStore, claims: () => readonly RangeClaim[] = () => []) {
    this.#store = store;
    this.#claims = claims;
  }

  /** Takes the node's prefixes as they are now. Addresses of earlier prefixes stay with their pods. */
  setNetwork(network: PodNetwork): void {
    this.#prefixes = network.prefixes;
    this.#division = undefined;
  }

  /** Takes what Namespaces claim as it is now, at the next need. Pods keep their addresses. */
  claimsChanged(): void {
    this.#division = undefined;
  }

  /**
   * Writes down a new attachment with its addresses, not complete yet.
   * @throws {CniError} AlreadyAttached, AddressRefused naming the address asked for or what is wrong with the claim of the
   * pod's Namespace, or NoFreeAddress naming what is full.
   */
  reserve(lease: Omit<NewLease, "addresses">, wish: AddressWish = ANY_ADDRESS): PodAddress[] {
    this.#refuseSecond(lease.key);
    const namespace = lease.pod?.namespace;
    const prefixes = this.#prefixesFor(namespace, wish.subnets);
    refuseForeign(
      wish.addresses,
      prefixes.map(({ prefix }) => prefix),
    );
    const taken: PodAddress[] = [];
    try {
      for (const prefix of prefixes) taken.push(prefix.take(namespace, wish));
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
  record(lease: NewLease): void {
    this.#refuseSecond(lease.key);
    this.#store.insert(lease);
    for (const prefix of this.#current().prefixes) for (const address of lease.addresses) prefix.hold(address);
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

  has(key: AttachmentKey): boolean {
    return this.#store.has(key);
  }

  get(key: AttachmentKey): Lease | undefined {
    return this.#store.get(key);
  }

  list(): Lease[] {
    return this.#store.list();
  }

  /** Prefixes with no free address left for pods of Namespaces that claim none. */
  full(): string[] {
    return this.#current()
      .prefixes.filter(({ isFull }) => isFull)
      .map((full) => full.usage())
      .map(({ prefix, slices }) => (slices.length === 0 ? prefix : `${prefix} beside what Namespaces claim`));
  }

  /** Addresses held and at most to hold, per prefix. */
  usage(): ReturnType<SlicedPrefix["usage"]>[] {
    return this.#current().prefixes.map((prefix) => prefix.usage());
  }

  #refuseSecond(key: AttachmentKey): void {
    if (!this.#store.has(key)) return;
    const message = `container ${key.containerId} has an interface ${key.ifname} already; DEL comes first`;
    throw new CniError(CniErrorCode.AlreadyAttached, message);
  }

  #prefixesFor(namespace: string | undefined, subnets: AddressWish["subnets"]): readonly SlicedPrefix[] {
    const { prefixes, problems } = this.#current();
    const problem = namespace === undefined ? undefined : problems.get(namespace);
    if (problem !== undefined) throw refused(problem);
    return subnets === undefined ? prefixes : subnets.map((subnet) => this.#prefixOf(subnet));
  }

  #prefixOf(subnet: Prefix): SlicedPrefix {
    const text = printPrefix(subnet);
    const found = this.#current().prefixes.find(({ prefix }) => printPrefix(prefix) === text);
    if (found !== undefined) return found;
    throw refused(`subnet ${text} is none of the node's pod prefixes ${printAll(this.#prefixes)}`);
  }

  #free(address: Address): void {
    for (const prefix of this.#current().prefixes) prefix.free(address);
  }

  #current(): Division {
    this.#division ??= this.#divide();
    return this.#division;
  }

  #divide(): Division {
    const { slices, problems } = planSlices(this.#claims(), this.#prefixes);
    const prefixes = this.#prefixes.map((prefix) => new SlicedPrefix(prefix, slices));
    const inOrder = { freed: this.#store.freed(), held: this.#store.list().flatMap((lease) => lease.addresses) };
    for (const prefix of prefixes) {
      for (const address of inOrder.freed) prefix.free(address);
      for (const address of inOrder.held) prefix.hold(address);
    }
    return { prefixes, problems };
  }
}

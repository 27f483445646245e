import {
  type Address,
  type Prefix,
  prefixContains,
  prefixRange,
  printAddress,
  printPrefix,
  printRange,
  type Range,
} from "../net/mod.ts";
import { AddressPool } from "./address-pool.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import { RANGES_ANNOTATION, restOf, type Slice } from "./pod-ranges.ts";
import type { PodAddress } from "./result.ts";

/** Which addresses a pod must have. */
export interface PrefixWish {
  /** At most one of a prefix. */
  readonly addresses: readonly Address[];
  /** Where the others must lie; any address will do of a family without one. */
  readonly ranges: readonly Range[];
}

/** How many addresses are held, and at most to hold. */
export interface Usage {
  readonly prefix: string;
  readonly used: number;
  readonly capacity: number;
}

interface SlicePool extends Slice {
  readonly pool: AddressPool;
}

/**
 * One pod prefix of the node: the slices that Namespaces claim, and the rest, of which all other pods get addresses. An
 * address outlives a change of the slices: it is counted where it lies now.
 */
export class SlicedPrefix {
  readonly prefix: Prefix;
  readonly #slices: readonly SlicePool[];
  readonly #rest: AddressPool;
  /** The rest, then the slices'. */
  readonly #pools: readonly AddressPool[];

  /** @param slices Those of other families are left out. */
  constructor(prefix: Prefix, slices: readonly Slice[]) {
    const own = slices.filter((slice) => slice.prefix.family === prefix.family);
    const parts = own.map((slice) => slice.prefix);
    this.prefix = prefix;
    this.#slices = own.map((slice) => ({ ...slice, pool: new AddressPool(prefix, [prefixRange(slice.prefix)]) }));
    this.#rest = new AddressPool(prefix, restOf(prefix, parts));
    this.#pools = [this.#rest, ...this.#slices.map(({ pool }) => pool)];
  }

  /**
   * A free address for a pod of `namespace`, held from now on.
   * @throws {CniError} AddressRefused naming the address asked for, or NoFreeAddress naming what is full.
   */
  take(namespace: string | undefined, { addresses, ranges }: PrefixWish): PodAddress {
    const wanted = addresses.find((address) => prefixContains(this.prefix, address));
    const within = ranges.filter(({ family }) => family === this.prefix.family);
    const address = wanted === undefined ? this.#takeAny(namespace, within) : this.#takeThis(namespace, wanted);
    return { address, length: this.prefix.length, gateway: this.#rest.gateway };
  }

  /** Holds `address` whether it was free or not. Nothing happens to addresses of others. */
  hold(address: Address): void {
    for (const pool of this.#pools) pool.hold(address);
  }

  /** Frees `address`. Nothing happens to addresses of others. */
  free(address: Address): void {
    for (const pool of this.#pools) pool.free(address);
  }

  /** True when pods of Namespaces without a slice get no address. */
  get isFull(): boolean {
    return this.#rest.used >= this.#rest.capacity;
  }

  /** Of the whole prefix, and of each slice. */
  usage(): Usage & { readonly slices: readonly (Usage & Pick<Slice, "namespaces">)[] } {
    const slices = this.#slices.map(({ prefix, namespaces, pool }) => ({ ...usageOf(prefix, [pool]), namespaces }));
    return { ...usageOf(this.prefix, this.#pools), slices };
  }

  #slicesOf(namespace: string | undefined): readonly SlicePool[] {
    return this.#slices.filter(({ namespaces }) => namespace !== undefined && namespaces.includes(namespace));
  }

  #takeThis(namespace: string | undefined, wanted: Address): Address {
    const text = printAddress(wanted);
    const own = this.#slicesOf(namespace);
    const slice = this.#slices.find(({ prefix }) => prefixContains(prefix, wanted));
    if (slice !== undefined && !own.includes(slice)) {
      const owners = `only pods of Namespace ${slice.namespaces.join(", ")} get addresses of`;
      throw refused(`address ${text} lies in ${printPrefix(slice.prefix)}, which ${owners}`);
    }
    if (slice === undefined && own.length > 0) {
      throw refused(
        `address ${text} lies outside of ${printSlices(own)}, where pods of Namespace ${namespace} get theirs`,
      );
    }
    const address = (slice?.pool ?? this.#rest).takeThis(wanted);
    if (address === undefined) throw refused(`address ${text} is in use or reserved`);
    return address;
  }

  #takeAny(namespace: string | undefined, within: readonly Range[]): Address {
    const own = this.#slicesOf(namespace);
    for (const pool of own.length === 0 ? [this.#rest] : own.map((slice) => slice.pool)) {
      const address = within.length === 0 ? pool.take() : pool.takeWithin(within);
      if (address !== undefined) return address;
    }
    const ranges = within.map(printRange).join(", ");
    throw new CniError(
      CniErrorCode.NoFreeAddress,
      own.length > 0 ? fullSlices(own, namespace, ranges) : this.#full(ranges),
    );
  }

  #full(ranges: string): string {
    const claimed = this.#slices.length > 0 ? " or claimed by Namespaces" : "";
    if (ranges !== "") return `all addresses of ${ranges} are in use${claimed}`;
    const { prefix, capacity } = this.usage();
    return `all ${capacity} addresses of ${prefix}, the node's pod prefix, are in use${claimed}`;
  }
}

function usageOf(prefix: Prefix, pools: readonly AddressPool[]): Usage {
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  return {
    prefix: printPrefix(prefix),
    used: sum(pools.map(({ used }) => used)),
    capacity: sum(pools.map(({ capacity }) => capacity)),
  };
}

function fullSlices(own: readonly Slice[], namespace: string | undefined, ranges: string): string {
  const where = ranges === "" ? printSlices(own) : `${ranges} in ${printSlices(own)}`;
  const remedy = `claim more with its annotation ${RANGES_ANNOTATION}`;
  return `all addresses of ${where}, where pods of Namespace ${namespace} get theirs, are in use; ${remedy}`;
}

function printSlices(slices: readonly Slice[]): string {
  return slices.map(({ prefix }) => printPrefix(prefix)).join(", ");
}

function refused(message: string): CniError {
  return new CniError(CniErrorCode.AddressRefused, message);
}

import { type Address, type Family, type Prefix, prefixRange, type Range, rangeContains } from "../net/mod.ts";

/** Most addresses of one prefix that are handed out: far more than pods of a node, few enough to remember each. */
const MOST_ADDRESSES = 65_536n;

/**
 * The addresses of one prefix, free or held. Hands out addresses never used before, lowest first, then the one freed
 * the longest time ago, so that what others remember of a former owner has time to die. Pure: it only counts.
 */
export class AddressPool {
  readonly prefix: Prefix;
  /** The first address after the network's own: the pods' gateway, never handed out. */
  readonly gateway: Address;
  readonly #held = new Set<bigint>();
  /** In the order they were freed. */
  readonly #freed = new Set<bigint>();
  /** Everything from here on has never been freed. */
  #fresh: bigint;
  readonly #last: bigint;

  constructor(prefix: Prefix) {
    this.prefix = prefix;
    const { first, last } = prefixRange(prefix);
    this.gateway = { family: prefix.family, value: first + 1n };
    this.#fresh = first + 2n;
    const usable = prefix.family === "ipv4" ? last - 1n : last; // IPv4's last address is the broadcast
    this.#last = usable - this.#fresh < MOST_ADDRESSES ? usable : this.#fresh + MOST_ADDRESSES - 1n;
  }

  get family(): Family {
    return this.prefix.family;
  }

  /** How many can be held. */
  get capacity(): number {
    return Math.max(0, Number(this.#last - this.gateway.value));
  }

  get used(): number {
    return this.#held.size;
  }

  /** A free address, held from now on; undefined when there is none. */
  take(): Address | undefined {
    const value = this.#nextFresh() ?? this.#freed.values().next().value;
    if (value === undefined) return undefined;
    return this.hold({ family: this.family, value });
  }

  /** `address`, held from now on; undefined when it is not this pool's or not free. */
  takeThis(address: Address): Address | undefined {
    return this.#owns(address) && !this.#held.has(address.value) ? this.hold(address) : undefined;
  }

  /** As take(), from one of `ranges` only. */
  takeWithin(ranges: readonly Range[]): Address | undefined {
    const inside = (value: bigint) => ranges.some((range) => rangeContains(range, { family: this.family, value }));
    const value = this.#freshWithin(ranges) ?? [...this.#freed].find(inside);
    return value === undefined ? undefined : this.hold({ family: this.family, value });
  }

  /** Holds `address` whether it was free or not: replayed from the store at start. */
  hold(address: Address): Address {
    if (this.#owns(address)) {
      this.#freed.delete(address.value);
      this.#held.add(address.value);
    }
    return address;
  }

  /** Frees `address`, last in the row of those that are handed out again. Nothing happens to addresses of others. */
  free(address: Address): void {
    if (!this.#owns(address)) return;
    this.#held.delete(address.value);
    this.#freed.add(address.value);
  }

  #nextFresh(): bigint | undefined {
    for (; this.#fresh <= this.#last; this.#fresh++) {
      if (!this.#held.has(this.#fresh) && !this.#freed.has(this.#fresh)) return this.#fresh;
    }
    return undefined;
  }

  #freshWithin(ranges: readonly Range[]): bigint | undefined {
    for (const { first, last } of ranges) {
      const end = last < this.#last ? last : this.#last;
      for (let value = first > this.#fresh ? first : this.#fresh; value <= end; value++) {
        if (!this.#held.has(value) && !this.#freed.has(value)) return value;
      }
    }
    return undefined;
  }

  #owns(address: Address): boolean {
    return address.family === this.family && address.value > this.gateway.value && address.value <= this.#last;
  }
}

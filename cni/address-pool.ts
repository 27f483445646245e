import { type Address, type Family, type Prefix, prefixRange, type Range, rangeContains } from "../net/mod.ts";

/** Most addresses of one range that are handed out: far more than pods of a node, few enough to remember each. */
const MOST_ADDRESSES = 65_536n;
/** After every address there is. */
const END = 1n << 128n;

/**
 * The addresses of one prefix or of parts of it, free or held. Hands out addresses never used before, lowest first, then
 * the one freed the longest time ago, so that what others remember of a former owner has time to die. Pure: it only counts.
 */
export class AddressPool {
  readonly family: Family;
  /** The first address after the prefix's own: the pods' gateway, never handed out. */
  readonly gateway: Address;
  /** All that can be held, lowest first. */
  readonly #ranges: readonly Range[];
  readonly #held = new Set<bigint>();
  /** In the order they were freed. */
  readonly #freed = new Set<bigint>();
  /** Everything before is held or was freed. */
  #fresh = 0n;

  /** @param parts Those of `prefix` that it hands out, apart from each other and lowest first. */
  constructor(prefix: Prefix, parts: readonly Range[] = [prefixRange(prefix)]) {
    const { family, first, last } = prefixRange(prefix);
    this.family = family;
    this.gateway = { family, value: first + 1n };
    const usable = { family, first: first + 2n, last: family === "ipv4" ? last - 1n : last }; // IPv4's last is the broadcast
    this.#ranges = intersections(parts, [usable]).map(shortened);
  }

  /** How many can be held. */
  get capacity(): number {
    return this.#ranges.reduce((sum, { first, last }) => sum + Number(last - first) + 1, 0);
  }

  get used(): number {
    return this.#held.size;
  }

  /** A free address, held from now on; undefined when there is none. */
  take(): Address | undefined {
    const fresh = this.#freshWithin(this.#ranges);
    this.#fresh = fresh ?? END;
    const value = fresh ?? this.#freed.values().next().value;
    return value === undefined ? undefined : this.hold({ family: this.family, value });
  }

  /** `address`, held from now on; undefined when it is not this pool's or not free. */
  takeThis(address: Address): Address | undefined {
    return this.#owns(address) && !this.#held.has(address.value) ? this.hold(address) : undefined;
  }

  /** As take(), from one of `ranges` only. */
  takeWithin(ranges: readonly Range[]): Address | undefined {
    const inside = (value: bigint) => ranges.some((range) => rangeContains(range, { family: this.family, value }));
    const value = this.#freshWithin(intersections(ranges, this.#ranges)) ?? [...this.#freed].find(inside);
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

  #freshWithin(ranges: readonly Range[]): bigint | undefined {
    for (const { first, last } of ranges) {
      for (let value = first > this.#fresh ? first : this.#fresh; value <= last; value++) {
        if (!this.#held.has(value) && !this.#freed.has(value)) return value;
      }
    }
    return undefined;
  }

  #owns(address: Address): boolean {
    return this.#ranges.some((range) => rangeContains(range, address));
  }
}

/** What lies in one of `a` and in one of `b`, in the order of `a`. */
function intersections(a: readonly Range[], b: readonly Range[]): Range[] {
  return a.flatMap((one) => b.flatMap((other) => intersection(one, other)));
}

function intersection(a: Range, b: Range): Range[] {
  const first = a.first > b.first ? a.first : b.first;
  const last = a.last < b.last ? a.last : b.last;
  return a.family === b.family && first <= last ? [{ family: a.family, first, last }] : [];
}

function shortened({ family, first, last }: Range): Range {
  return { family, first, last: last - first < MOST_ADDRESSES ? last : first + MOST_ADDRESSES - 1n };
}

import type { Address, Family } from "../net/mod.ts";

/** Milliseconds. */
export interface MemoryTimes {
  /** For this long a Service that comes back under its name gets its addresses back, if they are free. */
  readonly remember: number;
  /** For this long nobody else gets them; at most as long as they are remembered. */
  readonly coolDown: number;
}

/** Free addresses that somebody gave back so lately that nobody else should get them yet: all whose they were, by value. */
export type Cooling = Readonly<Record<Family, ReadonlyMap<bigint, readonly string[]>>>;

interface Entry {
  readonly addresses: readonly Address[];
  readonly at: number;
}

/**
 * The addresses of Services that gave them up, for a while. Time comes in as an argument, in milliseconds of any clock that
 * does not run backwards.
 */
export class AddressMemory {
  readonly #times: MemoryTimes;
  /** By namespace/name of the Service, the oldest entry first. */
  readonly #entries = new Map<string, Entry>();

  constructor(times: MemoryTimes) {
    this.#times = times;
  }

  note(owner: string, addresses: readonly Address[], now: number): void {
    this.#entries.delete(owner);
    this.#entries.set(owner, { addresses, at: now });
    for (const [key, { at }] of this.#entries) {
      if (now - at < this.#times.remember) break;
      this.#entries.delete(key);
    }
  }

  /** What `owner` had; empty when that is forgotten. */
  of(owner: string, now: number): readonly Address[] {
    const entry = this.#entries.get(owner);
    return entry === undefined || now - entry.at >= this.#times.remember ? [] : entry.addresses;
  }

  cooling(now: number): Cooling {
    const cooling = { ipv4: new Map<bigint, string[]>(), ipv6: new Map<bigint, string[]>() };
    for (const [owner, { addresses }] of this.#warm(now)) {
      for (const { family, value } of addresses) {
        const sharers = cooling[family].get(value);
        if (sharers === undefined) cooling[family].set(value, [owner]);
        else sharers.push(owner);
      }
    }
    return cooling;
  }

  /** Milliseconds until the next address may be given out again; undefined when there is none. */
  nextEnd(now: number): number | undefined {
    for (const [, { at }] of this.#warm(now)) return at + this.#times.coolDown - now;
    return undefined;
  }

  /** The entries whose addresses rest, the oldest first. */
  *#warm(now: number): Iterable<readonly [string, Entry]> {
    if (this.#times.coolDown === 0) return;
    for (const each of this.#entries) if (now - each[1].at < this.#times.coolDown) yield each;
  }
}

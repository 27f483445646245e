import type { Foreigner } from "./responder.ts";

/** How long after taking an address others may still speak as its holder: the one before us, or the loser of a contest. */
const TAKING = 1000;
/** An address is defended once in this time, so that two stubborn hosts do not flood the network. RFC 5227 section 2.4. */
const DEFEND_INTERVAL = 10_000;

/** Notices other hosts that use addresses this node holds. Pure: the clock is the caller's. */
export class Duplicates {
  readonly #heldSince = new Map<string, number>();
  readonly #defendedAt = new Map<string, number>();

  /** The addresses this node holds from now on. */
  setHeld(addresses: ReadonlySet<string>, now: number): void {
    for (const address of this.#heldSince.keys()) if (!addresses.has(address)) this.#heldSince.delete(address);
    for (const address of addresses) if (!this.#heldSince.has(address)) this.#heldSince.set(address, now);
  }

  /** True when the foreigner is to be reported and the address defended; its further frames in the next while are not. */
  meet({ address }: Foreigner, now: number): boolean {
    const since = this.#heldSince.get(address);
    if (since === undefined || now - since < TAKING) return false;
    const defended = this.#defendedAt.get(address);
    if (defended !== undefined && now - defended < DEFEND_INTERVAL) return false;
    this.#defendedAt.set(address, now);
    return true;
  }
}

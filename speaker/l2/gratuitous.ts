/**
 * Milliseconds after taking an address at which it is announced unasked: a burst that reaches hosts even when some frames
 * are lost, then MetalLB's rhythm of 1.1 s up to 5 s.
 */
const BURST = [0, 50, 150, 400, 1500, 2600, 3700, 4800] as const;
/** Afterwards again and again, for switches and hosts that forgot: milliseconds, give or take a fifth. */
const REFRESH = 60_000;
const REFRESH_JITTER = 0.2;

/** When to announce which address. Pure: the clock is the caller's, so is the dice. */
export class GratuitousSchedule {
  readonly #entries = new Map<string, { readonly startedAt: number; sent: number; dueAt: number }>();
  readonly #random: () => number;

  /** @param random 0 to 1; spreads the refreshes of many addresses. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Begins the burst for `address`, anew when it is known. */
  start(address: string, now: number): void {
    this.#entries.set(address, { startedAt: now, sent: 0, dueAt: now + BURST[0] });
  }

  /** Begins the burst for every address: a link came up. */
  restart(now: number): void {
    for (const address of this.#entries.keys()) this.start(address, now);
  }

  /** What start() was called for and stop() was not. */
  addresses(): readonly string[] {
    return [...this.#entries.keys()];
  }

  stop(address: string): void {
    this.#entries.delete(address);
  }

  /** The addresses to announce now. Rounds missed meanwhile are not made up for. */
  take(now: number): readonly string[] {
    const due = [...this.#entries].filter(([, entry]) => entry.dueAt <= now);
    for (const [, entry] of due) {
      while (entry.dueAt <= now) {
        entry.sent++;
        const burst = BURST[entry.sent];
        entry.dueAt = burst === undefined ? now + this.#refresh() : entry.startedAt + burst;
      }
    }
    return due.map(([address]) => address);
  }

  /** When the next one is due; undefined when nothing is announced. */
  next(): number | undefined {
    let next: number | undefined;
    for (const { dueAt } of this.#entries.values()) if (next === undefined || dueAt < next) next = dueAt;
    return next;
  }

  #refresh(): number {
    return REFRESH * (1 + REFRESH_JITTER * (2 * this.#random() - 1));
  }
}

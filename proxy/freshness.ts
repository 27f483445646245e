import type { Clock } from "../core/mod.ts";

/** Milliseconds that a change may wait for its rules before this proxy calls itself sick. */
const PATIENCE = 60_000;

/** Knows since when changes have waited for their rules. Times are milliseconds of any one clock. */
export class Freshness {
  #waitingSince: number | undefined;
  #writingSince: number | undefined;
  #updated = 0;

  /** When the rules were last as the cluster said; 0 before the first time. */
  get updated(): number {
    return this.#updated;
  }

  changed(now: number): void {
    this.#waitingSince ??= now;
  }

  /** What is known so far is being written. */
  begin(): void {
    this.#writingSince = this.#waitingSince;
    this.#waitingSince = undefined;
  }

  end(now: number, result: "written" | "failed"): void {
    if (result === "failed") this.#waitingSince = this.#writingSince ?? this.#waitingSince ?? now;
    else this.#updated = now;
    this.#writingSince = undefined;
  }

  /** Takes note of how `sync` begins and ends. */
  async during<T>(clock: Clock, sync: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      const result = await sync();
      this.end(clock.now(), "written");
      return result;
    } catch (error) {
      this.end(clock.now(), "failed");
      throw error;
    }
  }

  isFresh(now: number): boolean {
    const since = this.#writingSince ?? this.#waitingSince;
    return since === undefined || now - since < PATIENCE;
  }
}

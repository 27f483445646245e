import { setTimeout as pause } from "node:timers/promises";
import { explainError } from "../../core/mod.ts";

export interface WaitOptions {
  /** Milliseconds until the test fails. */
  readonly deadline: number;
  /** Milliseconds between two looks. */
  readonly every?: number;
}

/**
 * Looks until `look` gives something other than undefined or false, and returns it.
 * A look that throws counts as "not yet"; its message is told when the deadline passes.
 */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  { deadline, every = 20 }: WaitOptions,
): Promise<T> {
  const end = performance.now() + deadline;
  let last = "";
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      last = "";
    } catch (error) {
      last = `; last error: ${explainError(error)}`;
    }
    if (performance.now() > end) throw new Error(`waited ${deadline} ms for ${what}${last}`);
    await pause(every);
  }
}

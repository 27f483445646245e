import type { Clock } from "../core/mod.ts";

/** One call that is to come. */
export interface Alarm {
  /** After the shortest of these pauses, in milliseconds, in place of what was set before; undefined ones do not count. */
  set(pauses: readonly (number | undefined)[]): void;
  cancel(): void;
}

export function alarm(clock: Clock, ring: () => void): Alarm {
  let cancel = () => {};
  return {
    set: (pauses) => {
      cancel();
      const set = pauses.filter((pause) => pause !== undefined);
      if (set.length > 0) cancel = clock.after(Math.min(...set), ring);
    },
    cancel: () => cancel(),
  };
}

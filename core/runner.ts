/** How often a runner works. All times are milliseconds. */
export interface RunnerOptions {
  /** Between the end of a run and the next at the earliest: coalesces bursts. */
  readonly minInterval: number;
  /** After a failed run before trying again; a function is asked anew after each failure. */
  readonly retryInterval: number | (() => number);
  /** After which a run happens though nothing changed: heals drift. */
  readonly maxInterval: number;
  readonly onError: (error: unknown) => void;
}

export interface Runner {
  /** Says that something changed. Never throws, never blocks, costs nothing when repeated. */
  readonly poke: () => void;
  /** Resolves once `signal` was aborted and the last run has ended. */
  readonly done: Promise<void>;
}

/**
 * Runs `work` at once and then whenever `poke()` was called, never twice at the same time, until `signal` aborts.
 * Level-triggered: a poke carries no payload, so missing or doubling one cannot corrupt state. The only loop there is.
 */
export function startRunner(work: () => Promise<void>, options: RunnerOptions, signal: AbortSignal): Runner {
  let wake: () => void = () => {};
  let dirty = true; // the first run needs no poke

  const sleepUntil = (ms: number, woken: () => boolean) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        if (!woken()) return;
        clearTimeout(timer);
        resolve();
      };
      wake();
    });

  const loop = async () => {
    signal.addEventListener("abort", () => wake(), { once: true });
    while (!signal.aborted) {
      let idle = options.maxInterval;
      dirty = false;
      try {
        await work();
      } catch (error) {
        options.onError(error);
        const { retryInterval } = options;
        idle = typeof retryInterval === "number" ? retryInterval : retryInterval();
      }
      await sleepUntil(options.minInterval, () => signal.aborted);
      await sleepUntil(Math.max(0, idle - options.minInterval), () => dirty || signal.aborted);
    }
  };

  return {
    poke: () => {
      dirty = true;
      wake();
    },
    done: loop(),
  };
}

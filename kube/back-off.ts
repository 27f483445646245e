/** The pause before the next attempt; longer after each failure until something works again. Milliseconds. */
export interface BackOff {
  next(): number;
  reset(): void;
}

/**
 * Pauses that double from `first` up to `longest`, each drawn from the upper half of its step, so that a thousand nodes
 * whose API server came back don't all call at the same instant.
 * @param random Like Math.random: at least 0, less than 1.
 */
export function createBackOff(first: number, longest: number, random: () => number): BackOff {
  let step = first;
  return {
    next() {
      const pause = step / 2 + (step / 2) * random();
      step = Math.min(step * 2, longest);
      return pause;
    },
    reset() {
      step = first;
    },
  };
}

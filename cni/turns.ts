/**
 * Lets work on different keys run side by side, work on one key in order, and work on everything alone.
 * A failure is its caller's alone: the next in the row runs all the same.
 */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();
  #everything: Promise<unknown> = Promise.resolve();

  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = Promise.allSettled([this.#everything, this.#last.get(key)]);
    const turn = before.then(work);
    this.#last.set(key, turn);
    const forget = () => {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    };
    turn.then(forget, forget);
    return turn;
  }

  /** Waits for all that was asked for before; all that is asked for later waits for this. */
  runAlone<T>(work: () => Promise<T>): Promise<T> {
    const turn = Promise.allSettled([this.#everything, ...this.#last.values()]).then(work);
    this.#everything = turn;
    return turn;
  }
}

import { explainError, type Log, startRunner } from "../../core/mod.ts";

export interface KeyedController {
  /** Says that the object `key` names needs a look. */
  mark(key: string): void;
  readonly done: Promise<void>;
}

/** Milliseconds. Short, because the lab has one user who waits. */
const INTERVALS = { minInterval: 1, retryInterval: 200, maxInterval: 3_600_000 };

/** Calls `sync` for every key marked since the last time; a key whose sync failed is tried again. */
export function startKeyedController(
  name: string,
  sync: (key: string) => Promise<void>,
  log: Log,
  signal: AbortSignal,
): KeyedController {
  const dirty = new Set<string>();
  const work = async () => {
    const keys = [...dirty];
    dirty.clear();
    const outcomes = await Promise.allSettled(keys.map(sync));
    const failures = outcomes.flatMap((outcome, i) => {
      if (outcome.status === "fulfilled") return [];
      dirty.add(keys[i]!);
      return [outcome.reason];
    });
    if (failures.length > 0) throw failures[0];
  };
  const onError = (error: unknown) =>
    log.warn(
      { event: "lab.controller.retry", controller: name, error: explainError(error) },
      "sync failed, trying again",
    );
  const runner = startRunner(work, { ...INTERVALS, onError }, signal);
  return {
    mark: (key) => {
      dirty.add(key);
      runner.poke();
    },
    done: runner.done,
  };
}

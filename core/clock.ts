/** Time as the code below sees it, so that a test can move it. Milliseconds throughout. */
export interface Clock {
  /** Monotonic: only differences mean anything. */
  now(): number;
  /** Wall clock, for timestamps written to objects. */
  date(): Date;
  /** Calls `run` once after `ms`; the returned function cancels it. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

export interface FakeClock extends Clock {
  /** Moves time on by `ms` and runs what falls due, in order of its due time. */
  advance(ms: number): void;
}

/** A clock that stands still until told to move. */
export function fakeClock(start = 0): FakeClock {
  let time = start;
  const timers = new Set<{ readonly due: number; readonly run: () => void }>();
  const nextDue = (end: number) => [...timers].filter((timer) => timer.due <= end).sort((a, b) => a.due - b.due)[0];
  return {
    now: () => time,
    date: () => new Date(time),
    after: (ms, run) => {
      const timer = { due: time + ms, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance: (ms) => {
      const end = time + ms;
      for (let timer = nextDue(end); timer !== undefined; timer = nextDue(end)) {
        timers.delete(timer);
        time = timer.due;
        timer.run();
      }
      time = end;
    },
  };
}

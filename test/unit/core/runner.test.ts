import { describe, expect, test, vi } from "vitest";
import { type RunnerOptions, startRunner } from "../../../core/mod.ts";

const options = { minInterval: 10, retryInterval: 100, maxInterval: 1_000, onError: () => {} };

async function withRunner(
  work: () => Promise<void>,
  extra: Partial<RunnerOptions>,
  body: (poke: () => void) => Promise<void>,
): Promise<void> {
  vi.useFakeTimers();
  const stop = new AbortController();
  const runner = startRunner(work, { ...options, ...extra }, stop.signal);
  try {
    await vi.advanceTimersByTimeAsync(0);
    await body(runner.poke);
  } finally {
    stop.abort();
    await vi.advanceTimersByTimeAsync(0);
    await runner.done;
    vi.useRealTimers();
  }
}

describe("startRunner()", () => {
  test("runs once without a poke", async () => {
    const work = vi.fn(async () => {});
    await withRunner(work, {}, async () => expect(work).toHaveBeenCalledTimes(1));
  });

  test("makes one run of many pokes", async () => {
    const work = vi.fn(async () => {});
    await withRunner(work, {}, async (poke) => {
      for (let i = 0; i < 100; i++) poke();
      await vi.advanceTimersByTimeAsync(10);
      expect(work).toHaveBeenCalledTimes(2);
    });
  });

  test("runs at once when poked after a quiet time", async () => {
    const work = vi.fn(async () => {});
    await withRunner(work, {}, async (poke) => {
      await vi.advanceTimersByTimeAsync(500);
      poke();
      await vi.advanceTimersByTimeAsync(0);
      expect(work).toHaveBeenCalledTimes(2);
    });
  });

  test("keeps a poke that comes during a run", async () => {
    let release = () => {};
    const work = vi.fn(() => new Promise<void>((resolve) => (release = resolve)));
    await withRunner(work, {}, async (poke) => {
      poke();
      release();
      await vi.advanceTimersByTimeAsync(10);
      expect(work).toHaveBeenCalledTimes(2);
      release();
    });
  });

  test("runs without a poke after maxInterval", async () => {
    const work = vi.fn(async () => {});
    await withRunner(work, {}, async () => {
      await vi.advanceTimersByTimeAsync(999);
      expect(work).toHaveBeenCalledTimes(1);
      await vi.advanceTimersByTimeAsync(1);
      expect(work).toHaveBeenCalledTimes(2);
    });
  });

  test("tries again after a failure and tells of it", async () => {
    const work = vi.fn(async () => Promise.reject(new Error("no")));
    const onError = vi.fn();
    await withRunner(work, { onError }, async () => {
      await vi.advanceTimersByTimeAsync(100);
      expect(work).toHaveBeenCalledTimes(2);
      expect(onError).toHaveBeenCalledTimes(2);
    });
  });

  test("asks for the pause anew after each failure", async () => {
    const work = vi.fn(async () => Promise.reject(new Error("no")));
    const pauses = [100, 300];
    await withRunner(work, { retryInterval: () => pauses.shift() ?? 1_000 }, async () => {
      await vi.advanceTimersByTimeAsync(100);
      expect(work).toHaveBeenCalledTimes(2);
      await vi.advanceTimersByTimeAsync(299);
      expect(work).toHaveBeenCalledTimes(2);
      await vi.advanceTimersByTimeAsync(1);
      expect(work).toHaveBeenCalledTimes(3);
    });
  });
});

import { afterEach, describe, expect, test, vi } from "vitest";
import { fakeClock, systemClock } from "../../../core/mod.ts";

describe("systemClock", () => {
  afterEach(() => void vi.useRealTimers());

  test.each([3_600_000, -3_600_000])("now() goes on evenly while the wall clock jumps by %d ms", (jump) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const before = systemClock.now();
    vi.setSystemTime(Date.now() + jump);
    expect(systemClock.now() - before).toBeGreaterThanOrEqual(0);
    expect(systemClock.now() - before).toBeLessThan(60_000);
    expect(systemClock.date()).toEqual(new Date());
  });
});

describe("fakeClock()", () => {
  test("runs what falls due, in order of its due time", () => {
    const clock = fakeClock();
    const ran: string[] = [];
    clock.after(20, () => ran.push(`b@${clock.now()}`));
    clock.after(10, () => {
      ran.push(`a@${clock.now()}`);
      clock.after(5, () => ran.push(`c@${clock.now()}`));
    });
    clock.advance(30);
    expect(ran).toEqual(["a@10", "c@15", "b@20"]);
    expect(clock.now()).toBe(30);
  });

  test("does not run what was cancelled", () => {
    const clock = fakeClock();
    let ran = false;
    clock.after(10, () => (ran = true))();
    clock.advance(30);
    expect(ran).toBe(false);
  });
});

import { describe, expect, test } from "vitest";
import { GratuitousSchedule } from "../../../../speaker/l2/gratuitous.ts";

/** When each address is announced, going from due time to due time. */
function timeline(schedule: GratuitousSchedule, until: number): [number, string][] {
  const seen: [number, string][] = [];
  for (let now = schedule.next(); now !== undefined && now <= until; now = schedule.next()) {
    for (const address of schedule.take(now)) seen.push([now, address]);
  }
  return seen;
}

describe("GratuitousSchedule", () => {
  test("is a burst, then MetalLB's rhythm to 5 s, then a refresh each minute", () => {
    const schedule = new GratuitousSchedule(() => 0.5);
    schedule.start("a", 1000);
    const times = timeline(schedule, 200_000).map(([at]) => at - 1000);
    expect(times).toEqual([0, 50, 150, 400, 1500, 2600, 3700, 4800, 64_800, 124_800, 184_800]);
  });

  test("spreads refreshes by a fifth to both sides", () => {
    for (const [dice, want] of [
      [0, 48_000],
      [1, 72_000],
    ] as const) {
      const schedule = new GratuitousSchedule(() => dice);
      schedule.start("a", 0);
      expect(timeline(schedule, 100_000).at(-1)?.[0]).toBeGreaterThan(48_000);
      const times = timeline(schedule, 400_000).map(([at]) => at);
      expect(times[1]! - times[0]!).toBe(want);
    }
  });

  test("stop() ends it, start() begins anew, restart() does so for all", () => {
    const schedule = new GratuitousSchedule(() => 0.5);
    schedule.start("a", 0);
    schedule.start("b", 0);
    expect(schedule.take(10_000)).toEqual(["a", "b"]);
    schedule.stop("b");
    schedule.restart(20_000);
    expect(schedule.next()).toBe(20_000);
    expect(schedule.take(20_000)).toEqual(["a"]);
    expect(schedule.next()).toBe(20_050);
    schedule.stop("a");
    expect(schedule.next()).toBeUndefined();
  });

  test("does not make up for rounds that were missed", () => {
    const schedule = new GratuitousSchedule(() => 0.5);
    schedule.start("a", 0);
    expect(schedule.take(2000)).toEqual(["a"]);
    expect(schedule.take(2000)).toEqual([]);
    expect(schedule.next()).toBe(2600);
  });
});

import { expect, test } from "vitest";
import { fakeClock } from "../../../core/mod.ts";
import { alarm } from "../../../speaker/alarm.ts";

test("alarm() rings once after the shortest pause, in place of what was set before, and not after cancel()", () => {
  const clock = fakeClock();
  let rings = 0;
  const wake = alarm(clock, () => void rings++);
  wake.set([undefined, 500, 200]);
  wake.set([undefined, 300]);
  clock.advance(299);
  expect(rings).toBe(0);
  clock.advance(1);
  expect(rings).toBe(1);
  wake.set([100]);
  wake.set([undefined]);
  clock.advance(1000);
  wake.set([100]);
  wake.cancel();
  clock.advance(1000);
  expect(rings).toBe(1);
});

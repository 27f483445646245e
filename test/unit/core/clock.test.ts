import { describe, expect, test } from "vitest";
import { fakeClock } from "../../../core/mod.ts";

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

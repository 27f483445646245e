import { describe, expect, test } from "vitest";
import { type Probe, tallyProbe } from "../../../lab/probe.ts";

const verdicts = (outcomes: readonly boolean[], probe: Probe, passing: boolean) => {
  let tally = { passing, against: 0 };
  return outcomes.map((outcome) => {
    tally = tallyProbe(tally, outcome, probe);
    return tally.passing;
  });
};

describe("tallyProbe()", () => {
  test("believes the first success and the third failure", () => {
    expect(verdicts([true, false, false, false, true], {}, false)).toEqual([true, true, true, false, true]);
  });

  test("counts failures in a row only", () => {
    expect(verdicts([false, false, true, false, false], {}, true)).toEqual([true, true, true, true, true]);
  });

  test("obeys the thresholds", () => {
    const probe = { successThreshold: 2, failureThreshold: 1 };
    expect(verdicts([true, true, false], probe, false)).toEqual([false, true, false]);
  });
});

import { describe, expect, test } from "vitest";
import { parseDuration } from "../../../config/duration.ts";
import { type Condition, parseCommunity, printCommunity, withCondition } from "../../../config/mod.ts";

const OLD: Condition = {
  ...{ type: "Valid", status: "True", reason: "Reconciled", message: "in force" },
  ...{ observedGeneration: 1, lastTransitionTime: "2026-01-01T00:00:00Z" },
} as const;
const OTHER: Condition = { ...OLD, type: "Other" };
const now = () => new Date("2026-02-02T00:00:00.123Z");
const { lastTransitionTime: _, ...SAME } = OLD;

describe("withCondition()", () => {
  test("gives the same list back when nothing changed", () => {
    const list = [OLD, OTHER];
    expect(withCondition(list, "Valid", SAME, now)).toBe(list);
    expect(withCondition(list, "Absent", undefined, now)).toBe(list);
  });

  test("keeps the time while the status stays, and the conditions of others", () => {
    const news = { ...SAME, message: "still", observedGeneration: 2 };
    expect(withCondition([OLD, OTHER], "Valid", news, now)).toEqual([
      OTHER,
      { ...news, lastTransitionTime: OLD.lastTransitionTime },
    ]);
  });

  test("notes the time when the status changes, in whole seconds", () => {
    const news = { ...SAME, status: "False" } as const;
    expect(withCondition([OLD], "Valid", news, now)[0]?.lastTransitionTime).toBe("2026-02-02T00:00:00Z");
  });

  test("takes a condition away", () => {
    expect(withCondition([OLD, OTHER], "Valid", undefined, now)).toEqual([OTHER]);
  });
});

describe("parseDuration()", () => {
  test.each([
    ["90s", 90_000],
    ["1m30s", 90_000],
    ["500ms", 500],
    ["1.5h", 5_400_000],
    ["0", 0],
    ["90", undefined],
    ["", undefined],
    ["1d", undefined],
    ["-1s", undefined],
  ])("%s is %s ms", (text, want) => {
    expect(parseDuration(text)).toBe(want);
  });
});

describe("parseCommunity()", () => {
  test.each(["0:0", "65535:65535", "large:0:0:0", "large:4294967295:1:2"])("reads %s and prints it again", (text) => {
    const parsed = parseCommunity(text);
    expect(parsed.kind === "invalid" ? parsed.why : printCommunity(parsed)).toBe(text);
  });
  test.each(["65536:0", "1", "1:2:3", "large:1:2:3:4", "a:b", "large:1:2:4294967296", ":", "1:-1"])(
    "refuses %s",
    (text) => {
      expect(parseCommunity(text).kind).toBe("invalid");
    },
  );
});

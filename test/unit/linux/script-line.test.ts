import { describe, expect, test } from "vitest";
import { describeLine } from "../../../linux/script-line.ts";

describe("describeLine()", () => {
  const long = `${"a".repeat(150)}MISTAKE${"b".repeat(150)}`;
  test.each([
    { name: "a line", script: "one\ntwo\nthree", number: 2, column: 1, want: "line 2: two" },
    { name: "the last line", script: "one\ntwo", number: 2, column: 1, want: "line 2: two" },
    { name: "a line beyond the end", script: "one", number: 9, column: 1, want: "line 9: " },
    {
      name: "a long line around its mistake",
      script: long,
      number: 1,
      column: 151,
      want: `line 1: ...${"a".repeat(100)}MISTAKE${"b".repeat(93)}...`,
    },
  ])("shows $name", ({ script, number, column, want }) => {
    expect(describeLine(script, number, column)).toBe(want);
  });
});

import { describe, expect, test } from "vitest";
import { lastLines } from "../../../lab/container-log.ts";

describe("lastLines()", () => {
  test.each([
    { text: "a\nb\nc\n", count: 2, want: "b\nc\n" },
    { text: "a\nb\nc", count: 1, want: "c" },
    { text: "a\n", count: 5, want: "a\n" },
    { text: "", count: 3, want: "" },
    { text: "a\nb\n", count: 0, want: "" },
  ])("$count of $text", ({ text, count, want }) => expect(lastLines(text, count)).toBe(want));
});

import { describe, expect, test } from "vitest";
import { programPause } from "../../../lab/program.ts";

describe("programPause()", () => {
  test("is nothing after one death, and grows while the program dies young", () => {
    expect([1, 2, 3, 4, 20].map(programPause)).toEqual([0, 250, 500, 1000, 5000]);
  });
});

import { describe, expect, test } from "vitest";
import { restartPause } from "../../../lab/container-run.ts";

describe("restartPause()", () => {
  test("is nothing at first, then 10 s, doubling up to 5 minutes", () => {
    expect([0, 1, 2, 3, 5, 6, 50].map(restartPause)).toEqual([0, 10_000, 20_000, 40_000, 160_000, 300_000, 300_000]);
  });
});

import { describe, expect, test } from "vitest";
import { createBackOff } from "../../../kube/back-off.ts";

describe("createBackOff()", () => {
  test("doubles up to the longest pause", () => {
    const { next } = createBackOff(100, 1_000, () => 0.999_999);
    expect(Array.from({ length: 6 }, () => Math.round(next()))).toEqual([100, 200, 400, 800, 1000, 1000]);
  });

  test("draws from the upper half of each step", () => {
    const { next } = createBackOff(100, 1_000, () => 0);
    expect([next(), next(), next()]).toEqual([50, 100, 200]);
  });

  test("begins anew after reset()", () => {
    const { next, reset } = createBackOff(100, 1_000, () => 0);
    next();
    next();
    reset();
    expect(next()).toBe(50);
  });
});

import { describe, expect, test } from "vitest";
import { Readiness } from "../../../speaker/readiness.ts";

describe("Readiness", () => {
  test("waits for the rules, and keeps a Service ready for a while when they are written anew", () => {
    const readiness = new Readiness();
    expect(readiness.update(["a"], () => false, 0)).toBeUndefined();
    expect(readiness.isReady("a")).toBe(false);
    expect(readiness.update(["a"], () => true, 1000)).toBeUndefined();
    expect(readiness.isReady("a")).toBe(true);
    expect(readiness.update(["a"], () => false, 2000)).toBe(2000);
    expect(readiness.isReady("a")).toBe(true);
    expect(readiness.update(["a"], () => false, 4000)).toBeUndefined();
    expect(readiness.isReady("a")).toBe(false);
  });

  test("forgets a Service that this node need not be ready for", () => {
    const readiness = new Readiness();
    readiness.update(["a"], () => true, 0);
    readiness.update([], () => true, 1);
    readiness.update(["a"], () => false, 2);
    expect(readiness.isReady("a")).toBe(false);
  });
});

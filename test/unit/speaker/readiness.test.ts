import { describe, expect, test } from "vitest";
import { Readiness } from "../../../speaker/readiness.ts";

describe("Readiness", () => {
  test("waits for the rules, and keeps a Service ready for a while when they are written anew", () => {
    const readiness = new Readiness();
    expect(readiness.update(["a"], () => false, 0)).toBeUndefined();
    expect(readiness.isReady("a")).toBe(false);
    expect(readiness.update(["a"], () => true, 1000)).toBeUndefined();
    expect(readiness.isReady("a")).toBe(true);
    expect(readiness.update(["a"], () => false, 2000)).toBe(3000);
    expect(readiness.update(["a"], () => false, 3000)).toBe(2000);
    expect(readiness.isReady("a")).toBe(true);
    expect(readiness.update(["a"], () => false, 5000)).toBeUndefined();
    expect(readiness.isReady("a")).toBe(false);
  });

  test("forgets a Service that this node need not be ready for", () => {
    const readiness = new Readiness();
    readiness.update(["a"], () => true, 0);
    readiness.update([], () => true, 1);
    readiness.update(["a"], () => false, 2);
    expect(readiness.isReady("a")).toBe(false);
  });

  test("says of one Service whether it changed, and knows which ones wait", () => {
    const readiness = new Readiness();
    expect(readiness.look("a", () => false, 0)).toBe(false);
    expect(readiness.missing).toEqual(["a"]);
    expect(readiness.complete).toBe(false);
    expect(readiness.look("a", () => true, 1)).toBe(true);
    expect(readiness.look("a", () => true, 2)).toBe(false);
    expect(readiness.complete).toBe(true);
    expect(readiness.look("a", () => false, 10)).toBe(false);
    expect(readiness.complete).toBe(true);
    expect(readiness.pause(1010)).toBe(2000);
    expect(readiness.look("a", () => false, 3010)).toBe(true);
    readiness.forget("a");
    expect(readiness.missing).toEqual([]);
  });
});

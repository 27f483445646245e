import { setImmediate as tick } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Turns } from "../../../cni/turns.ts";

/** Work that notes its begin and end in `notes`, and ends when told. */
function work(notes: string[], name: string) {
  const gate = Promise.withResolvers<void>();
  const run = async () => {
    notes.push(`+${name}`);
    await gate.promise;
    notes.push(`-${name}`);
    return name;
  };
  return { run, end: gate.resolve, fail: () => gate.reject(new Error(name)) };
}

describe("Turns", () => {
  test("runs different keys side by side and one key in order", async () => {
    const notes: string[] = [];
    const turns = new Turns();
    const [a1, a2, b1] = [work(notes, "a1"), work(notes, "a2"), work(notes, "b1")];
    const all = [turns.run("a", a1.run), turns.run("a", a2.run), turns.run("b", b1.run)];
    await tick();
    expect(notes).toEqual(["+a1", "+b1"]);
    for (const { end } of [a2, b1, a1]) end();
    expect(await Promise.all(all)).toEqual(["a1", "a2", "b1"]);
    expect(notes).toEqual(["+a1", "+b1", "-b1", "-a1", "+a2", "-a2"]);
  });

  test("runs work on everything alone", async () => {
    const notes: string[] = [];
    const turns = new Turns();
    const [a, everything, b] = [work(notes, "a"), work(notes, "all"), work(notes, "b")];
    const all = [turns.run("a", a.run), turns.runAlone(everything.run), turns.run("b", b.run)];
    for (const { end } of [b, everything, a]) {
      end();
      await tick();
    }
    await Promise.all(all);
    expect(notes).toEqual(["+a", "-a", "+all", "-all", "+b", "-b"]);
  });

  test("goes on after a failure", async () => {
    const turns = new Turns();
    const first = work([], "first");
    const failing = turns.run("a", first.run);
    const next = turns.run("a", async () => "next");
    first.fail();
    await expect(failing).rejects.toThrow("first");
    expect(await next).toBe("next");
  });
});

import { describe, expect, test } from "vitest";
import { KernelTable } from "../../../cni/kernel-table.ts";

/** A table of words, and what it asked of the kernel, which refuses what begins with "no". */
function tableOf(found: Readonly<Record<string, string>> = {}) {
  const asked: string[] = [];
  const ask = (verb: string) => (word: string) => {
    asked.push(`${verb} ${word}`);
    if (word.startsWith("no")) throw new Error("refused");
  };
  const table = new KernelTable({
    put: ask("put"),
    take: ask("take"),
    print: (word: string) => word,
    found: new Map(Object.entries(found)),
  });
  const apply = (wanted: Readonly<Record<string, string>>) => {
    const problems = table.apply(new Map(Object.entries(wanted)));
    return { problems, asked: asked.splice(0) };
  };
  return apply;
}

describe("KernelTable", () => {
  test("takes first, puts what is new or different, and leaves the rest", () => {
    const apply = tableOf();
    expect(apply({ a: "one", b: "two" }).asked).toEqual(["put one", "put two"]);
    expect(apply({ b: "two", c: "three" }).asked).toEqual(["take one", "put three"]);
    expect(apply({ b: "other", c: "three" }).asked).toEqual(["put other"]);
  });

  test("tells what was refused by name, goes on with the rest, and tries it again", () => {
    const apply = tableOf({ a: "no more" });
    const refused = { problems: ["a: refused"], asked: ["take no more", "put two"] };
    expect(apply({ b: "two" })).toEqual(refused);
    expect(apply({ b: "two", c: "no" })).toEqual({
      problems: ["a: refused", "c: refused"],
      asked: ["take no more", "put no"],
    });
    expect(apply({ a: "no more", b: "two" })).toEqual({ problems: [], asked: [] });
  });

  test("knows what it found there", () => {
    expect(tableOf({ a: "one", b: "two", c: "three" })({ a: "one", b: "other" }).asked).toEqual([
      "take three",
      "put other",
    ]);
  });
});

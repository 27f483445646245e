import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ENTRIES } from "../../../../tools/image/bundle.ts";

test("ENTRIES holds every module that a program starts as a thread", () => {
  const sources = globSync(["cli/**/*.ts", "controller/**/*.ts", "speaker/**/*.ts", "proxy/**/*.ts", "cni/**/*.ts"]);
  const threads = sources.flatMap((path) =>
    [...readFileSync(path, "utf8").matchAll(/ownModule\("([^"]+)"\)/g)].map(([, module]) => module),
  );
  expect(threads.length).toBeGreaterThan(0);
  expect(Object.keys(ENTRIES)).toEqual(expect.arrayContaining(threads));
});

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { brokenResultFinder } from "../../../cni/broken-results.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "ib-results-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

test("brokenResultFinder() finds files that are no JSON, once nobody wrote them for ten seconds", () => {
  const files = { whole: "{}", empty: "", cut: '{"kind":"cniCac', zeros: "\0\0\0" };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  const find = brokenResultFinder(directory);
  const at = (later: number) => find(Date.now() + later).map((path) => path.slice(directory.length + 1));
  expect(at(9_000)).toEqual([]);
  expect(at(11_000).sort()).toEqual(["cut", "empty", "zeros"]);
  writeFileSync(join(directory, "empty"), "{}");
  rmSync(join(directory, "cut"));
  expect(at(11_000)).toEqual(["zeros"]);
  expect(readdirSync(directory).sort()).toEqual(["empty", "whole", "zeros"]);
});

test("brokenResultFinder() finds nothing in a directory that is not there", () => {
  expect(brokenResultFinder(join(directory, "none"))(Date.now())).toEqual([]);
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { UPSTREAM_ROWS } from "../../support/upstream-rows.ts";

const TESTS = join(import.meta.dirname, "..", "..");

test.each(Object.entries(UPSTREAM_ROWS))("%s has a test for each spec that is said to be there", (file, rows) => {
  const text = readFileSync(join(TESTS, file), "utf8");
  expect(rows.filter((row) => !text.includes(`"${row}"`))).toEqual([]);
});

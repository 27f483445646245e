import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isCurrent, printRecord } from "../../cluster/image/source-record.ts";

describe("isCurrent()", () => {
  let folder: string;
  let program: string;
  let record: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "source-record-"));
    program = join(folder, "program");
    record = join(folder, "record");
    writeFileSync(program, "one");
    utimesSync(program, 1_000, 1_000);
    writeFileSync(record, printRecord([program]));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("is true while the files are what they were", () => expect(isCurrent(record)).toBe(true));

  test.each<[string, () => void]>([
    ["there is no record", () => rmSync(record)],
    ["a file is gone", () => rmSync(program)],
    ["a file was written anew", () => utimesSync(program, 2_000, 2_000)],
    ["a file is older than it was", () => utimesSync(program, 500, 500)],
    [
      "a file of the same time has another size",
      () => {
        writeFileSync(program, "three");
        utimesSync(program, 1_000, 1_000);
      },
    ],
  ])("is false when %s", (_name, change) => {
    change();
    expect(isCurrent(record)).toBe(false);
  });
});

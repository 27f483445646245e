import { expect, test } from "vitest";
import { printTable } from "../../../cli/print-table.ts";

test("printTable() makes columns as wide as their widest cell and leaves no space at the end of a line", () => {
  expect(
    printTable([
      ["A", "LONG", "C"],
      ["bbb", "x", ""],
    ]),
  ).toBe("A     LONG   C\nbbb   x");
});

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ownFile, ownModule } from "../../../core/mod.ts";

const root = join(import.meta.dirname, "../../..");

test("ownFile() starts at the root of the program, wherever its code lies", () => {
  expect(ownFile("dist/ironbridge-cni")).toBe(join(root, "dist/ironbridge-cni"));
});

test("ownModule() ends as the running module does", () => {
  expect(ownModule("speaker/l2/worker")).toBe(join(root, "speaker/l2/worker.ts"));
  expect(existsSync(ownModule("speaker/l2/worker"))).toBe(true);
});

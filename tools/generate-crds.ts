// Writes deploy/crds/ from the descriptions in config/. With --check it writes nothing and exits 1 when a file differs.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { crdOf, KINDS } from "../config/mod.ts";

const folder = join(import.meta.dirname, "../deploy/crds");
const check = process.argv.includes("--check");

for (const { resource, kind } of KINDS) {
  const path = join(folder, `${resource.group}_${resource.plural}.yaml`);
  const text = `# Generated from config/ by tools/generate-crds.ts.\n${stringify(crdOf(resource, kind), { lineWidth: 120, aliasDuplicateObjects: false })}`;
  if (readOrEmpty(path) === text) continue;
  if (check) {
    console.error(`${path} is not what config/ says; run: node tools/generate-crds.ts`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, text);
    console.log(`wrote ${path}`);
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}

// Writes deploy/install.yaml, deploy/helm/ironbridge and the tables of docs/install.md from tools/manifests/. With
// --check it writes nothing and exits 1 when a file differs.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { chartFiles, printInstall, withTables } from "./manifests/mod.ts";

const root = join(import.meta.dirname, "..");
const check = process.argv.includes("--check");
const chart = "deploy/helm/ironbridge";

const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const page = "docs/install.md";
const wanted = new Map([
  ["deploy/install.yaml", printInstall()],
  ...Object.entries(chartFiles(version)).map(([path, text]): [string, string] => [join(chart, path), text]),
  [page, withTables(readFileSync(join(root, page), "utf8"))],
]);

for (const [path, text] of wanted) {
  if (readOrEmpty(path) === text) continue;
  if (differs(path)) continue;
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  console.log(`wrote ${path}`);
}
for (const path of leftOver()) {
  if (differs(path)) continue;
  rmSync(join(root, path));
  console.log(`removed ${path}`);
}

/** With --check: says so, and that is all. */
function differs(path: string): boolean {
  if (!check) return false;
  console.error(`${path} is not what tools/manifests says; run: node tools/generate-manifests.ts`);
  process.exitCode = 1;
  return true;
}

/** Files of the chart that nothing makes any more. */
function leftOver(): readonly string[] {
  const files = readdirSync(join(root, chart), { recursive: true, withFileTypes: true }).filter((file) =>
    file.isFile(),
  );
  return files
    .map((file) => join(file.parentPath, file.name).slice(root.length + 1))
    .filter((path) => !wanted.has(path));
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}

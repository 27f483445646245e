import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bundlePrograms, NODE_FLAGS } from "../../../tools/image/mod.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
/** In the checkout, where the bundle finds its one package that is not in it. */
const DIRECTORY = join(ROOT, "dist", "bundle");

/**
 * The program as the image has it: from its sources Node would keep a compiler of TypeScript in memory.
 * @returns The command, without the program's own arguments.
 */
export async function bundledProgram(): Promise<readonly string[]> {
  const { files } = await bundlePrograms(ROOT);
  for (const { path, content } of files) {
    const file = join(DIRECTORY, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  return [process.execPath, ...NODE_FLAGS, join(DIRECTORY, "cli", "main.js")];
}

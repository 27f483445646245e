import { readFileSync } from "node:fs";
import { join } from "node:path";

const GOLDEN = join(import.meta.dirname, "../golden");

/** The messages under the heading "# name" of a golden file, one a line. */
export function goldenWords(file: string, name: string): readonly string[] {
  const lines = readFileSync(join(GOLDEN, file), "utf8").split("\n");
  const heading = lines.indexOf(`# ${name}`);
  if (heading < 0) throw new Error(`${file} has no heading "# ${name}"`);
  return lines.slice(heading + 1, lines.indexOf("", heading));
}

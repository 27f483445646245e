import { existsSync, readFileSync, statSync } from "node:fs";

/**
 * Of each file its size and when it was written, to be kept beside what was made of them. A time alone would not do: a
 * file of a newer package may be older than what was made of its predecessor.
 */
export function printRecord(files: readonly string[]): string {
  const entries = files.map((file) => {
    const { size, mtimeMs } = statSync(file);
    return [file, `${size} ${mtimeMs}`];
  });
  return JSON.stringify(Object.fromEntries(entries), null, 1);
}

/** True when every file of the record is what it was. */
export function isCurrent(record: string): boolean {
  if (!existsSync(record)) return false;
  const text = readFileSync(record, "utf8");
  const files = Object.keys(JSON.parse(text));
  return files.every(existsSync) && printRecord(files) === text;
}

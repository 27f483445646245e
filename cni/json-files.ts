import { readdirSync, readFileSync } from "node:fs";

/** Names of the files below `directory`; none where it is not there. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Undefined for what is not JSON, such as a file that was half written, or is gone by now. */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined; // the shape is judged by the caller
  }
}

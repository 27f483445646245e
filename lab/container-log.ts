import { type FileHandle, open, watch } from "node:fs/promises";

export interface LogReadOptions {
  /** Go on with what is written from now on, until `signal`. */
  readonly follow: boolean;
  /** Only so many lines of what is there. */
  readonly tailLines?: number;
  readonly signal: AbortSignal;
}

/** The text of a growing file, in pieces. Nothing when there is no such file. */
export async function* readLogFile(path: string, options: LogReadOptions): AsyncGenerator<string> {
  const file = await open(path, "r").catch(() => undefined); // the container has not started yet
  if (file === undefined) return;
  try {
    const text = await readRest(file);
    yield options.tailLines === undefined ? text : lastLines(text, options.tailLines);
    if (!options.follow) return;
    for await (const _ of changes(path, options.signal)) yield await readRest(file);
  } finally {
    await file.close();
  }
}

/** The last `count` lines of a text whose lines all end with a newline. Pure. */
export function lastLines(text: string, count: number): string {
  const lines = text.split("\n");
  const end = lines.at(-1) === "" ? lines.length - 1 : lines.length;
  return lines.slice(Math.max(0, end - count)).join("\n");
}

async function readRest(file: FileHandle): Promise<string> {
  const chunks: Buffer[] = [];
  const buffer = Buffer.alloc(65_536);
  for (let read = await file.read(buffer); read.bytesRead > 0; read = await file.read(buffer)) {
    chunks.push(Buffer.from(buffer.subarray(0, read.bytesRead)));
  }
  return Buffer.concat(chunks).toString();
}

/** One item for each change of the file until `signal`. */
async function* changes(path: string, signal: AbortSignal): AsyncGenerator<void> {
  try {
    for await (const _ of watch(path, { signal })) yield;
  } catch (error) {
    if ((error as Error).name !== "AbortError") throw error; // aborting is how a follower ends
  }
}

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { IronbridgeError, type Log, type Runner, startRunner } from "../../core/mod.ts";
import type { ApiObject } from "./json.ts";
import type { ApiStore } from "./store.ts";

/** One line of a snapshot: first the version counter, then every object. */
type Line = { readonly version: number } | { readonly storage: string; readonly object: ApiObject };

/**
 * Fills an empty store from a snapshot file, when there is one.
 * @throws {IronbridgeError} IB_CONFIG_INVALID when the file can't be read as a snapshot.
 */
export function loadSnapshot(store: ApiStore, file: string): void {
  if (!existsSync(file)) return;
  let version = 0;
  const objects: (readonly [string, ApiObject])[] = [];
  for (const line of readLines(file)) {
    if ("version" in line) version = line.version;
    else objects.push([line.storage, line.object]);
  }
  store.restore(version, objects);
}

function readLines(file: string): readonly Line[] {
  try {
    const lines = readFileSync(file, "utf8").trim().split("\n");
    return lines.map((text) => JSON.parse(text) as Line);
  } catch (cause) {
    const message = `${file} is no snapshot of the API server; remove it to start with an empty cluster`;
    throw new IronbridgeError("IB_CONFIG_INVALID", message, { cause });
  }
}

/** Writes the store as it is now; a reader sees the old snapshot or the new one, never a part. */
export function saveSnapshot(store: ApiStore, file: string): void {
  const head: Line = { version: store.version };
  const objects = store.storages.flatMap((storage) =>
    store.list(storage).map(({ object }) => JSON.stringify({ storage, object } satisfies Line)),
  );
  writeFileSync(`${file}.new`, [JSON.stringify(head), ...objects, ""].join("\n"));
  renameSync(`${file}.new`, file);
}

/** Keeps a snapshot file at most about a second behind the store, and up to date when it stops. */
export function startSnapshots(store: ApiStore, file: string, log: Log, signal: AbortSignal): Runner {
  let written = -1;
  const work = async () => {
    if (store.version === written) return;
    written = store.version;
    saveSnapshot(store, file);
  };
  const onError = (error: unknown) => {
    written = -1;
    log.error({ event: "snapshot.failed", err: error, file }, "the snapshot could not be written");
  };
  const timing = { minInterval: 1000, retryInterval: 5000, maxInterval: 60_000 };
  const runner = startRunner(work, { ...timing, onError }, signal);
  store.onWrite(() => runner.poke());
  return { poke: runner.poke, done: runner.done.then(() => saveSnapshot(store, file)) };
}

import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { explainError, type Log, startRunner } from "../core/mod.ts";
import { namesIn, readJson } from "./json-files.ts";

/** Milliseconds a file must be left alone: a runtime that lives finishes what it writes. */
const PATIENCE = 10_000;
/** Milliseconds between looks. */
const PACE = { minInterval: 1_000, retryInterval: 20_000, maxInterval: 20_000 };

/**
 * Removes, until `signal`, what a runtime that was killed left half written in its cache of results. The file is not
 * replaced atomically, and libcni refuses every DEL of such an attachment ("unexpected end of JSON input"), so that the
 * pod would never be gone; without the file a DEL runs with no earlier result.
 * https://github.com/containernetworking/cni, libcni/api.go, "cacheAdd" and "getCachedResult"
 */
export function removeBrokenResults(directory: string, log: Log, signal: AbortSignal): Promise<void> {
  const find = brokenResultFinder(directory);
  const look = async () => {
    for (const path of find(Date.now())) {
      rmSync(path, { force: true });
      log.warn(
        { event: "cni.broken_result_removed", path },
        "removed a result that the runtime had not finished writing",
      );
    }
  };
  const onError = (error: unknown) => {
    const reason = explainError(error); // the next look tries again
    log.warn({ event: "cni.results_unreadable", directory, reason }, "the runtime's results were not looked at");
  };
  return startRunner(look, { ...PACE, onError }, signal).done;
}

/** Finds files that are no JSON and were not written lately. `now` as of Date.now(). Reads what is whole only once. */
export function brokenResultFinder(directory: string): (now: number) => string[] {
  let whole = new Set<string>();
  return (now) => {
    const names = namesIn(directory);
    whole = new Set(names.filter((name) => whole.has(name) || readJson(join(directory, name)) !== undefined));
    const paths = names.filter((name) => !whole.has(name)).map((name) => join(directory, name));
    return paths.filter((path) => (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? now) <= now - PATIENCE);
  };
}

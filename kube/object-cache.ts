import { rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as turn } from "node:timers/promises";
import { explainError, type Log, startRunner } from "../core/mod.ts";
import { type KubeObject, objectKey, type Resource } from "./object.ts";
import type { Store } from "./store.ts";

/** The cluster's objects as last heard, in a file: what a program works from when it starts without the API server. */
export interface ObjectCache {
  /** The objects of a kind; undefined when no run ever knew all of them. */
  read<T extends KubeObject>(resource: Resource<T>): readonly T[] | undefined;
  /** Writes what changes in the store, soon and some at a time, once the API server has confirmed it. */
  follow<T extends KubeObject>(resource: Resource<T>, store: Store<T>, signal: AbortSignal): void;
}

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE object (kind TEXT, key TEXT, version TEXT, json TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID;
  CREATE TABLE complete (kind TEXT PRIMARY KEY) WITHOUT ROWID;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;
/** Milliseconds: what changes within one is written together. A failure, such as a full disk, is tried again later. */
const PACE = { minInterval: 1_000, retryInterval: 30_000, maxInterval: 600_000 };
/** Objects in one transaction: between two the program does its real work. */
const AT_ONCE = 200;

/**
 * Opens or makes the file. One that can't be used is told once and made anew, and if even that fails, the program works
 * without: the cache is never more than a help.
 */
export function openObjectCache(path: string, log: Log): ObjectCache {
  let db = openOrRemake(path, log);
  const drop = (error: unknown) => {
    tellUnusable(log, path, error);
    db?.close();
    db = remake(path, log);
  };
  return {
    read(resource) {
      try {
        return db === undefined ? undefined : readObjects(db, kindOf(resource));
      } catch (error) {
        drop(error);
        return undefined;
      }
    },
    follow(resource, store, signal) {
      if (db === undefined) return;
      const writer = new CacheWriter(kindOf(resource), store, () => db);
      const failed = (error: unknown) =>
        log.warn(
          { event: "cache.write_failed", resource: resource.plural, error: explainError(error) },
          "could not keep what is known for the next start",
        );
      const runner = startRunner(() => writer.write(signal), { ...PACE, onError: failed }, signal);
      const stop = store.subscribe(({ key }) => {
        writer.mark(key);
        runner.poke();
      });
      signal.addEventListener("abort", stop, { once: true });
      void store.whenSynced.then(runner.poke);
    },
  };
}

/** Brings the rows of one kind to what the store holds. */
class CacheWriter<T extends KubeObject> {
  readonly #kind: string;
  readonly #store: Store<T>;
  readonly #db: () => DatabaseSync | undefined;
  readonly #changed = new Set<string>();
  /** True once the rows were compared with the whole store: from then on only marked keys differ. */
  #compared = false;

  constructor(kind: string, store: Store<T>, db: () => DatabaseSync | undefined) {
    this.#kind = kind;
    this.#store = store;
    this.#db = db;
  }

  mark(key: string): void {
    this.#changed.add(key);
  }

  async write(signal: AbortSignal): Promise<void> {
    const db = this.#db();
    if (db === undefined || !this.#store.confirmed) return;
    if (!this.#compared) this.#compare(db);
    while (this.#changed.size > 0 && !signal.aborted) {
      const keys = [...this.#changed].slice(0, AT_ONCE);
      inTransaction(db, () => this.#writeRows(db, keys));
      for (const key of keys) this.#changed.delete(key);
      await turn();
    }
    if (signal.aborted) return;
    db.prepare("INSERT OR IGNORE INTO complete (kind) VALUES (?)").run(this.#kind);
  }

  /** Marks what an earlier run left different. */
  #compare(db: DatabaseSync): void {
    const rows = db.prepare("SELECT key, version FROM object WHERE kind = ?").all(this.#kind);
    const kept = new Map(rows.map(({ key, version }) => [String(key), String(version)]));
    this.#changed.clear();
    for (const object of this.#store.list()) {
      const key = objectKey(object);
      if (kept.get(key) !== versionOf(object)) this.#changed.add(key);
      kept.delete(key);
    }
    for (const key of kept.keys()) this.#changed.add(key);
    this.#compared = true;
  }

  #writeRows(db: DatabaseSync, keys: readonly string[]): void {
    const put = db.prepare("INSERT OR REPLACE INTO object (kind, key, version, json) VALUES (?, ?, ?, ?)");
    const remove = db.prepare("DELETE FROM object WHERE kind = ? AND key = ?");
    for (const key of keys) {
      const object = this.#store.get(key);
      if (object === undefined) remove.run(this.#kind, key);
      else put.run(this.#kind, key, versionOf(object), JSON.stringify(object));
    }
  }
}

function readObjects<T extends KubeObject>(db: DatabaseSync, kind: string): readonly T[] | undefined {
  if (db.prepare("SELECT 1 FROM complete WHERE kind = ?").get(kind) === undefined) return undefined;
  const rows = db.prepare("SELECT json FROM object WHERE kind = ? ORDER BY key").all(kind);
  return rows.map(({ json }) => JSON.parse(String(json)));
}

function openOrRemake(path: string, log: Log): DatabaseSync | undefined {
  try {
    return open(path);
  } catch (error) {
    tellUnusable(log, path, error);
    return remake(path, log);
  }
}

function remake(path: string, log: Log): DatabaseSync | undefined {
  try {
    for (const ending of ["", "-wal", "-shm", "-journal"]) rmSync(path + ending, { force: true });
    return open(path);
  } catch (error) {
    log.warn(
      { event: "cache.off", path, error: explainError(error) },
      "nothing is kept for a start without the API server",
    );
    return undefined;
  }
}

function tellUnusable(log: Log, path: string, error: unknown): void {
  log.warn(
    { event: "cache.unusable", path, error: explainError(error) },
    "the cache of objects is unusable and made anew",
  );
}

/** @throws Error when the file is no database, of another layout, or can't be written. */
function open(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 1000");
    const version = Number(db.prepare("PRAGMA user_version").get()?.user_version);
    if (version === 0) db.exec(`BEGIN; ${SCHEMA} COMMIT`);
    else if (version !== SCHEMA_VERSION) throw new Error(`the file has layout ${version}, want ${SCHEMA_VERSION}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function inTransaction(db: DatabaseSync, work: () => void): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    work();
    db.exec("COMMIT");
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

function kindOf<T extends KubeObject>({ group, version, plural }: Resource<T>): string {
  return `${group}/${version}/${plural}`;
}

function versionOf({ metadata = {} }: KubeObject): string {
  return `${metadata.uid ?? ""} ${metadata.resourceVersion ?? ""}`;
}

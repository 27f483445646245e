import { type KubeObject, objectKey } from "./object.ts";
import type { Change, FakeStore, Indexes } from "./store.ts";

type Index<T> = Map<string, Map<string, T>>;

/** Objects by key, with indexes that follow each change. Pure but for calling its listeners. */
export class ObjectStore<T extends KubeObject> implements FakeStore<T> {
  readonly whenSynced: Promise<void>;
  readonly #objects = new Map<string, T>();
  readonly #indexes: ReadonlyMap<
    string,
    { readonly values: (object: T) => readonly string[]; readonly found: Index<T> }
  >;
  readonly #listeners = new Set<(change: Change<T>) => void>();
  readonly #onError: (error: unknown) => void;
  #markSynced: () => void = () => {};
  #synced = false;
  #confirmed = false;
  /** What list() gave last; dropped at each change. */
  #listed: readonly T[] | undefined;

  /** @param onError Takes what a listener or an index function throws; the store goes on. */
  constructor(indexes: Indexes<T>, onError: (error: unknown) => void) {
    this.#indexes = new Map(Object.entries(indexes).map(([name, values]) => [name, { values, found: new Map() }]));
    this.#onError = onError;
    this.whenSynced = new Promise((resolve) => {
      this.#markSynced = resolve;
    });
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): readonly T[] {
    this.#listed ??= [...this.#objects.values()];
    return this.#listed;
  }

  byIndex(index: string, value: string): readonly T[] {
    const known = this.#indexes.get(index);
    if (known === undefined) throw new RangeError(`the store has no index "${index}"`);
    return [...(known.found.get(value)?.values() ?? [])];
  }

  get synced(): boolean {
    return this.#synced;
  }

  get confirmed(): boolean {
    return this.#confirmed;
  }

  subscribe(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  set(object: T): void {
    this.#tell(this.#put(object));
  }

  remove(key: string): void {
    this.#tell(this.#drop(key));
  }

  /** Fills the store with what an earlier run knew, until replace() says how things are. */
  recall(objects: readonly T[]): void {
    const changes = objects.flatMap((object) => this.#put(object));
    this.#synced = true;
    this.#markSynced();
    this.#tell(changes);
  }

  /** Makes the store hold exactly `objects`. Listeners hear only of what differs, once all of it is in place. */
  replace(objects: readonly T[]): void {
    this.#confirmed = true;
    const wanted = new Set(objects.map(objectKey));
    const gone = [...this.#objects.keys()].filter((key) => !wanted.has(key));
    const changes = [
      ...gone.flatMap((key) => this.#drop(key)),
      ...objects.filter((object) => !this.#holds(object)).flatMap((object) => this.#put(object)),
    ];
    this.#synced = true;
    this.#markSynced();
    this.#tell(changes);
  }

  /** True when this very version of the object is here already. */
  #holds({ metadata = {} }: T): boolean {
    const held = this.#objects.get(objectKey({ metadata }))?.metadata;
    return (
      held?.resourceVersion !== undefined &&
      held.resourceVersion === metadata.resourceVersion &&
      held.uid === metadata.uid
    );
  }

  #put(after: T): Change<T>[] {
    const key = objectKey(after);
    const before = this.#objects.get(key);
    this.#listed = undefined;
    this.#objects.set(key, after);
    this.#reindex(key, before, after);
    if (before === undefined) return [{ key, after }];
    // Deleted and made anew while nobody looked: two objects that only share a name.
    if (before.metadata?.uid !== after.metadata?.uid)
      return [
        { key, before },
        { key, after },
      ];
    return [{ key, before, after }];
  }

  #drop(key: string): Change<T>[] {
    const before = this.#objects.get(key);
    if (before === undefined) return [];
    this.#listed = undefined;
    this.#objects.delete(key);
    this.#reindex(key, before, undefined);
    return [{ key, before }];
  }

  #reindex(key: string, before: T | undefined, after: T | undefined): void {
    for (const { values, found } of this.#indexes.values()) {
      for (const value of this.#valuesOf(values, before)) forget(found, value, key);
      if (after === undefined) continue;
      for (const value of this.#valuesOf(values, after)) remember(found, value, key, after);
    }
  }

  #valuesOf(values: (object: T) => readonly string[], object: T | undefined): readonly string[] {
    if (object === undefined) return [];
    try {
      return values(object);
    } catch (error) {
      this.#onError(error);
      return [];
    }
  }

  #tell(changes: readonly Change<T>[]): void {
    for (const change of changes) {
      for (const listener of [...this.#listeners]) {
        try {
          listener(change);
        } catch (error) {
          this.#onError(error);
        }
      }
    }
  }
}

function remember<T>(index: Index<T>, value: string, key: string, object: T): void {
  const found = index.get(value);
  if (found === undefined) index.set(value, new Map([[key, object]]));
  else found.set(key, object);
}

function forget<T>(index: Index<T>, value: string, key: string): void {
  const found = index.get(value);
  found?.delete(key);
  if (found?.size === 0) index.delete(value);
}

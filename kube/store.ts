import type { KubeObject } from "./object.ts";
import { ObjectStore } from "./object-store.ts";

/** One object came (no before), changed, or went (no after). */
export interface Change<T> {
  readonly key: string;
  readonly before?: T;
  readonly after?: T;
}

/** The cluster's objects of one kind as last heard. Objects are never changed in place. */
export interface Store<T extends KubeObject> {
  /** By objectKey(). */
  get(key: string): T | undefined;
  list(): readonly T[];
  /** The objects that the index function named `index` gave `value` for. */
  byIndex(index: string, value: string): readonly T[];
  /** True once a whole list has been read, be it what an earlier run of the program kept. */
  readonly synced: boolean;
  /** True once the API server itself gave a whole list in this run. */
  readonly confirmed: boolean;
  readonly whenSynced: Promise<void>;
  /** Called after the store has changed. Returns the way to stop. */
  subscribe(listener: (change: Change<T>) => void): () => void;
}

/** Name of an index and the values an object is found by. */
export type Indexes<T> = Readonly<Record<string, (object: T) => readonly string[]>>;

/** A store that a test fills by hand. */
export interface FakeStore<T extends KubeObject> extends Store<T> {
  set(object: T): void;
  remove(key: string): void;
}

/** The store an informer fills, without the informer: synced from the start. What a listener throws comes out of set(). */
export function fakeStore<T extends KubeObject>(objects: readonly T[] = [], indexes: Indexes<T> = {}): FakeStore<T> {
  const store = new ObjectStore<T>(indexes, (error) => {
    throw error;
  });
  store.replace(objects);
  return store;
}

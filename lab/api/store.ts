import { type ApiObject, deepFreeze } from "./json.ts";
import { expired } from "./refusal.ts";
import type { ApiResource } from "./resource.ts";

/** Events kept per collection for watches that start in the past; older versions get 410. */
const EVENT_WINDOW = 4096;

/** One state of one object. Its JSON is made once, however many lists and watches send it. */
export class Revision {
  readonly object: ApiObject;
  /** By API version: kinds served in one version only have one entry. */
  readonly #json = new Map<string, string>();

  constructor(object: ApiObject) {
    this.object = deepFreeze(object);
  }

  /** The object in the form of the version `resource` serves. */
  as(resource: ApiResource): ApiObject {
    return resource.decode === undefined ? this.object : resource.decode(this.object);
  }

  json(resource: ApiResource): string {
    let text = this.#json.get(resource.version);
    if (text === undefined) {
      text = JSON.stringify(this.as(resource));
      this.#json.set(resource.version, text);
    }
    return text;
  }
}

export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  /** The resource version of the change. */
  readonly version: number;
  readonly after: Revision;
  readonly before?: Revision;
}

export type StoreListener = (event: StoreEvent) => void;

interface Watcher {
  readonly listener: StoreListener;
  /** The last version told. */
  last: number;
}

interface Collection {
  /** Namespace ("" for cluster-scoped kinds) -> name -> object. */
  readonly spaces: Map<string, Map<string, Revision>>;
  readonly watchers: Set<Watcher>;
  events: StoreEvent[];
  /** Watches must start here or later. */
  oldest: number;
}

export interface Dependent {
  readonly storage: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * Everything the cluster holds, in memory, under one version counter. Writes happen at once and in order; watchers hear
 * of them in the same order right after the writer returns, so that a watcher that writes can't reorder events.
 */
export class ApiStore {
  readonly #collections = new Map<string, Collection>();
  /** Owner uid -> "storage/namespace/name" of what it owns. */
  readonly #dependents = new Map<string, Map<string, Dependent>>();
  readonly #uids = new Set<string>();
  readonly #listeners = new Set<(storage: string, event: StoreEvent) => void>();
  readonly #pending: { readonly collection: Collection; readonly event: StoreEvent }[] = [];
  #version = 1;

  /** The version of the last change. */
  get version(): number {
    return this.#version;
  }

  get(storage: string, namespace: string, name: string): Revision | undefined {
    return this.#collections.get(storage)?.spaces.get(namespace)?.get(name);
  }

  /** Objects of one namespace, or of all when it is undefined, in the order of their keys. */
  list(storage: string, namespace?: string): readonly Revision[] {
    const spaces = this.#collections.get(storage)?.spaces;
    if (spaces === undefined) return [];
    const names = namespace === undefined ? [...spaces.keys()].sort() : [namespace];
    return names.flatMap((space) => {
      const objects = spaces.get(space);
      return objects === undefined ? [] : [...objects.keys()].sort().map((name) => objects.get(name)!);
    });
  }

  /** Writes an object, new or changed, and gives it the next version. */
  put(storage: string, object: ApiObject): Revision {
    const { namespace = "", name } = object.metadata;
    const space = this.#space(storage, namespace);
    const before = space.get(name);
    const after = this.#revision(object);
    space.set(name, after);
    this.#index(storage, before?.object, after.object);
    const type = before === undefined ? "ADDED" : "MODIFIED";
    this.#emit(storage, { type, version: this.#version, after, ...(before !== undefined && { before }) });
    return after;
  }

  /** Takes an object out; the deletion has a version of its own. */
  remove(storage: string, namespace: string, name: string): Revision | undefined {
    const before = this.get(storage, namespace, name);
    if (before === undefined) return undefined;
    const space = this.#space(storage, namespace);
    space.delete(name);
    if (space.size === 0) this.#collection(storage).spaces.delete(namespace);
    const after = this.#revision(before.object);
    this.#index(storage, before.object, undefined);
    this.#emit(storage, { type: "DELETED", version: this.#version, after, before });
    return after;
  }

  /**
   * Tells `listener` of every change after `from`. Returns the way to stop.
   * @throws {Refusal} 410 when changes after `from` are forgotten already, or `from` is from another life of the store.
   */
  watch(storage: string, from: number, listener: StoreListener): () => void {
    const collection = this.#collection(storage);
    if (from < collection.oldest) {
      throw expired(`too old resource version: ${from} (${collection.oldest})`);
    }
    if (from > this.#version) throw expired(`too large resource version: ${from}, current: ${this.#version}`);
    const watcher: Watcher = { listener, last: from };
    for (const event of collection.events) tell(watcher, event);
    collection.watchers.add(watcher);
    return () => void collection.watchers.delete(watcher);
  }

  /** Calls `listener` inside every write, for state derived from the objects. It must not write. */
  onWrite(listener: (storage: string, event: StoreEvent) => void): void {
    this.#listeners.add(listener);
  }

  /** What names `uid` as an owner. */
  dependents(uid: string): readonly Dependent[] {
    return [...(this.#dependents.get(uid)?.values() ?? [])];
  }

  /** True when an object with this uid is stored. */
  has(uid: string): boolean {
    return this.#uids.has(uid);
  }

  get storages(): readonly string[] {
    return [...this.#collections.keys()];
  }

  /** Forgets past events, so that watches from an old version get 410. */
  forgetEvents(): void {
    for (const collection of this.#collections.values()) {
      collection.events = [];
      collection.oldest = this.#version;
    }
  }

  /** Fills an empty store with what another one held. */
  restore(version: number, objects: Iterable<readonly [storage: string, object: ApiObject]>): void {
    this.#version = version;
    for (const [storage, object] of objects) {
      const { namespace = "", name } = object.metadata;
      const revision = new Revision(object);
      this.#space(storage, namespace).set(name, revision);
      this.#index(storage, undefined, revision.object);
      for (const listener of this.#listeners) listener(storage, { type: "ADDED", version, after: revision });
    }
    this.forgetEvents();
  }

  #revision(object: ApiObject): Revision {
    this.#version++;
    return new Revision({ ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } });
  }

  #emit(storage: string, event: StoreEvent): void {
    for (const listener of this.#listeners) listener(storage, event);
    const collection = this.#collection(storage);
    collection.events.push(event);
    if (collection.events.length > EVENT_WINDOW) {
      const forgotten = collection.events.splice(0, EVENT_WINDOW / 2);
      collection.oldest = forgotten.at(-1)!.version;
    }
    if (this.#pending.length === 0) queueMicrotask(() => this.#deliver());
    this.#pending.push({ collection, event });
  }

  #deliver(): void {
    for (const { collection, event } of this.#pending.splice(0)) {
      for (const watcher of collection.watchers) tell(watcher, event);
    }
  }

  #index(storage: string, before: ApiObject | undefined, after: ApiObject | undefined): void {
    if (before?.metadata.uid !== undefined) this.#uids.delete(before.metadata.uid);
    if (after?.metadata.uid !== undefined) this.#uids.add(after.metadata.uid);
    if (before?.metadata.ownerReferences === after?.metadata.ownerReferences) return;
    const { namespace = "", name } = (after ?? before)!.metadata;
    const key = `${storage}/${namespace}/${name}`;
    for (const { uid } of before?.metadata.ownerReferences ?? []) {
      const owned = this.#dependents.get(uid);
      owned?.delete(key);
      if (owned?.size === 0) this.#dependents.delete(uid);
    }
    for (const { uid } of after?.metadata.ownerReferences ?? []) {
      const owned = this.#dependents.get(uid) ?? new Map<string, Dependent>();
      this.#dependents.set(uid, owned.set(key, { storage, namespace, name }));
    }
  }

  #collection(storage: string): Collection {
    let collection = this.#collections.get(storage);
    if (collection === undefined) {
      collection = { spaces: new Map(), watchers: new Set(), events: [], oldest: 0 };
      this.#collections.set(storage, collection);
    }
    return collection;
  }

  #space(storage: string, namespace: string): Map<string, Revision> {
    const { spaces } = this.#collection(storage);
    const space = spaces.get(namespace) ?? new Map<string, Revision>();
    if (!spaces.has(namespace)) spaces.set(namespace, space);
    return space;
  }
}

function tell(watcher: Watcher, event: StoreEvent): void {
  if (event.version <= watcher.last) return;
  watcher.last = event.version;
  watcher.listener(event);
}

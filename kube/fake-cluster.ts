import type { ObjectName } from "./client.ts";
import { apiVersionOf, type KubeObject, objectKey, type Resource } from "./object.ts";
import { refusedByEvent } from "./refusal.ts";

/** One change, as watches tell it. */
export interface Kept {
  readonly version: number;
  readonly kind: string;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: KubeObject;
}

interface Watcher {
  readonly kind: string;
  readonly tell: (kept: Kept) => void;
  readonly end: (error?: Error) => void;
}

/** The objects, history and watches of the API server in memory: what it knows, without how it is asked. */
export class FakeCluster {
  readonly history: Kept[] = [];
  readonly #kinds = new Map<string, Map<string, KubeObject>>();
  readonly #watchers = new Set<Watcher>();
  #uids = 0;
  version = 0;
  /** Watches from versions before this one are refused. */
  floor = 0;

  newUid(): string {
    this.#uids++;
    return `00000000-0000-4000-8000-${String(this.#uids).padStart(12, "0")}`;
  }

  all<T extends KubeObject>(resource: Resource<T>): T[] {
    return [...this.#kind(resource).values()].map((object) => structuredClone(object));
  }

  find<T extends KubeObject>(resource: Resource<T>, name: ObjectName): T | undefined {
    return structuredClone(this.#kind(resource).get(keyOf(resource, name)));
  }

  mustFind<T extends KubeObject>(what: string, resource: Resource<T>, name: ObjectName): T {
    const found = this.find(resource, name);
    if (found === undefined) throw refuse(what, 404, "NotFound", `${resource.plural} "${name.name}" not found`);
    return found;
  }

  put<T extends KubeObject>(resource: Resource<T>, object: T): T {
    const key = keyOf(resource, nameOf(object));
    const before = this.#kind(resource).get(key);
    this.version++;
    const metadata = {
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...(resource.namespaced ? { namespace: "default" } : {}),
      ...object.metadata,
      uid: before?.metadata?.uid ?? object.metadata?.uid ?? this.newUid(),
      resourceVersion: String(this.version),
    };
    // Through JSON, as on the wire: undefined fields vanish and nothing is shared with the caller.
    const type = { apiVersion: apiVersionOf(resource), kind: resource.kind };
    const after: T = JSON.parse(JSON.stringify({ ...type, ...object, metadata }));
    this.#kind(resource).set(key, after);
    this.#record(resource, before === undefined ? "ADDED" : "MODIFIED", after);
    return structuredClone(after);
  }

  remove<T extends KubeObject>(resource: Resource<T>, name: ObjectName): void {
    const key = keyOf(resource, name);
    const before = this.#kind(resource).get(key);
    if (before === undefined) return;
    this.#kind(resource).delete(key);
    this.version++;
    const metadata = { ...before.metadata, resourceVersion: String(this.version) };
    this.#record(resource, "DELETED", { ...before, metadata });
  }

  /** Tells what happened after `version`, then what happens. */
  async watch<T extends KubeObject>(
    resource: Resource<T>,
    version: number,
    signal: AbortSignal,
    tell: (kept: Kept) => void,
  ): Promise<void> {
    const kind = kindOf(resource);
    let ready = Promise.resolve();
    // One event after another and never within the call that caused it, as on a real connection.
    const later = (kept: Kept) => {
      ready = ready.then(() => {
        if (!signal.aborted) tell(kept);
      });
    };
    for (const kept of this.history) if (kept.kind === kind && kept.version > version) later(kept);
    await new Promise<void>((resolve, reject) => {
      const watcher: Watcher = {
        kind,
        tell: later,
        end: (error) => {
          this.#watchers.delete(watcher);
          void ready.then(() => (error === undefined ? resolve() : reject(error)));
        },
      };
      this.#watchers.add(watcher);
      signal.addEventListener("abort", () => watcher.end(), { once: true });
    });
  }

  endWatches(why: () => Error): void {
    for (const watcher of [...this.#watchers]) watcher.end(why());
  }

  #record<T extends KubeObject>(resource: Resource<T>, type: Kept["type"], object: KubeObject): void {
    const kept = { version: this.version, kind: kindOf(resource), type, object: structuredClone(object) };
    this.history.push(kept);
    for (const watcher of this.#watchers) if (watcher.kind === kept.kind) watcher.tell(kept);
  }

  /** Only put() writes here, and only objects of this resource. */
  #kind<T extends KubeObject>(resource: Resource<T>): Map<string, T> {
    const kind = kindOf(resource);
    const objects = this.#kinds.get(kind) ?? new Map<string, KubeObject>();
    this.#kinds.set(kind, objects);
    return objects as Map<string, T>;
  }
}

function kindOf<T extends KubeObject>({ group, plural }: Resource<T>): string {
  return `${group}/${plural}`;
}

function keyOf<T extends KubeObject>(resource: Resource<T>, { name, namespace }: ObjectName): string {
  return objectKey({ metadata: resource.namespaced ? { name, namespace: namespace ?? "default" } : { name } });
}

export function nameOf({ metadata }: KubeObject): ObjectName {
  const { name = "", namespace } = metadata ?? {};
  return namespace === undefined ? { name } : { name, namespace };
}

/** A refusal in the API server's words. */
export function refuse(what: string, code: number, reason: string, message: string): Error {
  return refusedByEvent(what, { code, reason, message });
}

import type { KubeClient, ObjectName, Patch, Selectors, WatchEvent } from "./client.ts";
import { FakeCluster, nameOf, refuse } from "./fake-cluster.ts";
import type { KubeObject, Resource } from "./object.ts";
import { callName } from "./path.ts";
import { unreachable } from "./refusal.ts";

export type Verb = "get" | "list" | "create" | "update" | "patch" | "delete" | "watch";

export interface FakeKubeClient extends KubeClient {
  /** The calls so far, as errors name them: "patch services/status default/web". */
  readonly calls: readonly string[];
  /** Puts an object there as it is, with its status, as if somebody else had. */
  seed<T extends KubeObject>(resource: Resource<T>, ...objects: readonly T[]): void;
  /** All objects of a kind as the server has them. */
  objects<T extends KubeObject>(resource: Resource<T>): readonly T[];
  /** Makes the next `times` calls of `verb` fail with an HTTP status, or without an answer. */
  fail(verb: Verb, how: number | "unreachable", times?: number): void;
  /** Breaks the connection of every watch. */
  cutWatches(): void;
  /** Forgets all history: watches end, and any watch from a version before now is refused with 410. */
  expire(): void;
}

/**
 * The API server in memory, as strict as the real one where programs meet it: resource versions, 404, 409 for a stale
 * update or patch or a name in use, status apart from the rest, watches from a version, 410. Merge and apply patches
 * both merge; JSON and strategic patches are refused with 415. Selectors: equality on labels, metadata.name and metadata.namespace.
 */
export function fakeKubeClient(): FakeKubeClient {
  const cluster = new FakeCluster();
  const calls: string[] = [];
  const failures: { readonly verb: Verb; readonly how: number | "unreachable"; times: number }[] = [];

  /** Notes the call, lets time pass as a network would, and fails if it was told to. */
  const begin = async (verb: Verb, what: string) => {
    calls.push(what);
    await Promise.resolve();
    const failure = failures.find((one) => one.verb === verb && one.times > 0);
    if (failure === undefined) return;
    failure.times--;
    if (failure.how === "unreachable") throw unreachable(what, "no answer from the API server");
    throw refuse(what, failure.how, "Injected", "the test wants this call to fail");
  };

  return {
    calls,
    seed: (resource, ...objects) => {
      for (const object of objects) cluster.put(resource, object);
    },
    objects: (resource) => cluster.all(resource),
    fail: (verb, how, times = 1) => void failures.push({ verb, how, times }),
    cutWatches: () => cluster.endWatches(() => unreachable("watch", "no answer from the API server")),
    expire: () => {
      cluster.floor = cluster.version;
      cluster.history.length = 0;
      cluster.endWatches(() => refuse("watch", 410, "Expired", "too old resource version"));
    },

    async get(resource, name) {
      await begin("get", callName("get", resource, name));
      return cluster.find(resource, name);
    },

    async list(resource, selectors = {}) {
      await begin("list", callName("list", resource, {}));
      const items = cluster.all(resource).filter((object) => matches(object, selectors));
      return { items, resourceVersion: String(cluster.version) };
    },

    async create(resource, object) {
      const what = callName("create", resource, nameOf(object));
      await begin("create", what);
      if (cluster.find(resource, nameOf(object)) !== undefined) {
        throw refuse(what, 409, "AlreadyExists", `${resource.plural} "${nameOf(object).name}" already exists`);
      }
      return cluster.put(resource, {
        ...object,
        status: undefined,
        metadata: { ...object.metadata, uid: cluster.newUid() },
      });
    },

    async update(resource, object, subresource) {
      const what = callName("update", resource, nameOf(object), subresource);
      await begin("update", what);
      const before = cluster.mustFind(what, resource, nameOf(object));
      const wanted = object.metadata?.resourceVersion;
      if (wanted !== undefined && wanted !== before.metadata?.resourceVersion) {
        throw staleVersion(what);
      }
      return cluster.put(resource, half(before, object, subresource));
    },

    async patch<T extends KubeObject>(resource: Resource<T>, name: ObjectName, patch: Patch, subresource?: "status") {
      const what = callName("patch", resource, name, subresource);
      await begin("patch", what);
      if (patch.kind === "json" || patch.kind === "strategic")
        throw refuse(what, 415, "UnsupportedMediaType", `the fake takes no ${patch.kind} patch`);
      const before = cluster.find(resource, name);
      if (before === undefined && patch.kind === "apply") {
        const metadata = { name: name.name, ...(name.namespace === undefined ? {} : { namespace: name.namespace }) };
        return cluster.put(resource, merge({ metadata: { ...metadata, uid: cluster.newUid() } } as T, patch.body));
      }
      const object = cluster.mustFind(what, resource, name);
      const wanted = (patch.body as KubeObject).metadata?.resourceVersion;
      if (wanted !== undefined && wanted !== object.metadata?.resourceVersion) throw staleVersion(what);
      return cluster.put(resource, half(object, merge(object, patch.body), subresource));
    },

    async delete(resource, name) {
      await begin("delete", callName("delete", resource, name));
      cluster.remove(resource, name);
    },

    async watch<T extends KubeObject>(
      resource: Resource<T>,
      { resourceVersion, signal, ...selectors }: Selectors & { resourceVersion: string; signal: AbortSignal },
      onEvent: (event: WatchEvent<T>) => void,
    ) {
      const what = callName("watch", resource, {});
      await begin("watch", what);
      if (signal.aborted) return;
      if (Number(resourceVersion) < cluster.floor) throw refuse(what, 410, "Expired", "too old resource version");
      await cluster.watch(resource, Number(resourceVersion), signal, ({ type, object }) => {
        if (matches(object, selectors)) onEvent({ type, object: object as T });
      });
    },
  };
}

function staleVersion(what: string): Error {
  return refuse(what, 409, "Conflict", "the object has been modified; apply your changes to the latest version");
}

/**
 * Through /status the status changes, and the annotations as for a Service in a real API server; through the object's
 * own path all but the status.
 */
function half<T extends KubeObject>(before: T, after: T, subresource: "status" | undefined): T {
  const { status } = (subresource === undefined ? before : after) as { readonly status?: unknown };
  if (subresource === undefined) return { ...after, status };
  const { annotations } = after.metadata ?? {};
  return { ...before, metadata: { ...before.metadata, annotations }, status };
}

/** RFC 7386. */
function merge<T>(target: T, patch: unknown): T {
  if (!isRecord(patch)) return patch as T;
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result as T;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function matches(object: KubeObject, { namespace, labelSelector, fieldSelector }: Selectors): boolean {
  const { labels = {}, ...metadata } = object.metadata ?? {};
  if (namespace !== undefined && metadata.namespace !== namespace) return false;
  const fields = { "metadata.name": metadata.name, "metadata.namespace": metadata.namespace };
  return holds(labelSelector, labels) && holds(fieldSelector, fields);
}

/** "a=1,b!=2" against the values. */
function holds(selector: string | undefined, values: Readonly<Record<string, string | undefined>>): boolean {
  return (selector ?? "")
    .split(",")
    .filter((term) => term !== "")
    .every((term) => {
      const [, key = "", operator = "", value = ""] = /^([^=!]+)(==?|!=)(.*)$/.exec(term) ?? [];
      if (operator === "") throw refuse("list", 400, "BadRequest", `the fake knows no selector like "${term}"`);
      return (values[key] === value) === (operator !== "!=");
    });
}

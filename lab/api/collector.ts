import { type Log, type Runner, startRunner } from "../../core/mod.ts";
import type { Api } from "./api.ts";
import { CRD_STORAGE } from "./crd.ts";
import type { ApiObject } from "./json.ts";
import type { Dependent } from "./store.ts";

/**
 * Finishes what deletions begin: objects whose owners are all gone, the contents of namespaces that end, the objects of
 * a deleted CustomResourceDefinition, and the finalizers of foreground and orphan deletion.
 */
export function startCollector(api: Api, log: Log, signal: AbortSignal): Runner {
  const gone = new Set<string>();
  const dying = new Map<string, Dependent>();

  const work = async () => {
    for (const uid of gone) collectDependents(api, uid);
    gone.clear();
    for (const [key, dependent] of dying) if (finish(api, dependent)) dying.delete(key);
  };
  const runner = startRunner(
    work,
    {
      minInterval: 0,
      retryInterval: 1000,
      maxInterval: 60_000,
      onError: (error) => log.error({ event: "collector.failed", err: error }, "garbage collection failed"),
    },
    signal,
  );

  api.store.onWrite((storage, event) => {
    const { metadata } = event.after.object;
    const { namespace = "", name } = metadata;
    const key = `${storage}/${namespace}/${name}`;
    if (event.type === "DELETED") {
      dying.delete(key);
      if (metadata.uid !== undefined) gone.add(metadata.uid);
      if (storage === CRD_STORAGE) dying.set(key, { storage, namespace, name });
    } else if (metadata.deletionTimestamp !== undefined) dying.set(key, { storage, namespace, name });
    if (gone.size > 0 || dying.size > 0) runner.poke();
  });
  return runner;
}

/** Deletes what `uid` owned, unless another of its owners is still there. */
function collectDependents(api: Api, uid: string): void {
  for (const dependent of api.store.dependents(uid)) {
    const owners = objectOf(api, dependent)?.metadata.ownerReferences ?? [];
    if (!owners.some((owner) => api.store.has(owner.uid))) remove(api, dependent, "Background");
  }
}

/** One step towards the end of a dying object. Returns true when nothing is left to do here. */
function finish(api: Api, dying: Dependent): boolean {
  if (dying.storage === CRD_STORAGE && objectOf(api, dying) === undefined) return finishCustomObjects(api, dying.name);
  const object = objectOf(api, dying);
  if (object === undefined) return true;
  if (dying.storage === "namespaces") return finishNamespace(api, object);
  const finalizers = object.metadata.finalizers ?? [];
  if (finalizers.includes("orphan")) return orphan(api, dying, object);
  return finalizers.includes("foregroundDeletion") ? finishForeground(api, dying, object) : true;
}

function finishCustomObjects(api: Api, storage: string): boolean {
  for (const { object } of api.store.list(storage)) {
    api.store.remove(storage, object.metadata.namespace ?? "", object.metadata.name);
  }
  return true;
}

function finishNamespace(api: Api, { metadata }: ApiObject): boolean {
  let left = 0;
  for (const storage of api.store.storages) {
    if (storage === "namespaces") continue;
    for (const { object } of api.store.list(storage, metadata.name)) {
      if (!remove(api, { storage, namespace: metadata.name, name: object.metadata.name }, "Background")) left++;
    }
  }
  if (left > 0 || (metadata.finalizers ?? []).length > 0) return false;
  api.store.remove("namespaces", "", metadata.name);
  return true;
}

function orphan(api: Api, dying: Dependent, { metadata }: ApiObject): boolean {
  for (const dependent of api.store.dependents(metadata.uid ?? "")) {
    const object = objectOf(api, dependent);
    if (object === undefined) continue;
    const ownerReferences = (object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== metadata.uid);
    api.store.put(dependent.storage, { ...object, metadata: { ...object.metadata, ownerReferences } });
  }
  dropFinalizer(api, dying, "orphan");
  return true;
}

/** Foreground: the dependents go first. */
function finishForeground(api: Api, dying: Dependent, { metadata }: ApiObject): boolean {
  const dependents = api.store.dependents(metadata.uid ?? "");
  const left = dependents.filter((dependent) => !remove(api, dependent, "Foreground"));
  if (left.length > 0) return false;
  dropFinalizer(api, dying, "foregroundDeletion");
  return true;
}

function objectOf(api: Api, { storage, namespace, name }: Dependent): ApiObject | undefined {
  return api.store.get(storage, namespace, name)?.object;
}

/** Deletes as a client would. Returns true when the object is gone. */
function remove(api: Api, { storage, namespace, name }: Dependent, propagationPolicy: string): boolean {
  const resource = api.registry.ofStorage(storage);
  if (resource === undefined || api.store.get(storage, namespace, name) === undefined) return true;
  return api.remove({ resource, namespace, name }, { propagationPolicy }).gone;
}

function dropFinalizer(api: Api, { storage, namespace, name }: Dependent, finalizer: string): void {
  const resource = api.registry.ofStorage(storage);
  if (resource !== undefined) api.dropFinalizer({ resource, namespace, name }, finalizer);
}

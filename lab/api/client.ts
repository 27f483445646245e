import {
  type KubeClient,
  type KubeObject,
  type ObjectName,
  type Patch,
  type Resource,
  refusedByAnswer,
  type WatchEvent,
} from "../../kube/mod.ts";
import type { Api, PatchBody, Target } from "./api.ts";
import type { Json } from "./json.ts";
import { noSuchPath, Refusal } from "./refusal.ts";
import { type ApiResource, apiVersionOf } from "./resource.ts";
import type { Revision } from "./store.ts";

/** Milliseconds between the bookmarks of a quiet watch. */
const BOOKMARK_INTERVAL = 15_000;

/** The API without HTTP, for programs that run in the server's own process. */
export function clientOf(api: Api): KubeClient {
  const find = <T extends KubeObject>({ group, version, plural }: Resource<T>): ApiResource => {
    const resource = api.registry.find(group, version, plural);
    if (resource === undefined) throw noSuchPath();
    return resource;
  };
  const targetOf = <T extends KubeObject>(resource: Resource<T>, { name, namespace }: ObjectName): Target => ({
    resource: find(resource),
    namespace: resource.namespaced ? (namespace ?? "default") : "",
    name,
  });

  return {
    get: (resource, name) =>
      answered("get", resource, () => {
        const { resource: found, namespace, name: ofObject } = targetOf(resource, name);
        const revision = api.store.get(found.storage, namespace, ofObject);
        return revision === undefined ? undefined : served(revision, found);
      }),

    list: (resource, selectors = {}) =>
      answered("list", resource, () => {
        const found = find(resource);
        const { items, resourceVersion } = api.list(found, selectors);
        return { items: items.map((revision) => served(revision, found)), resourceVersion };
      }),

    create: (resource, object) =>
      answered("create", resource, () => {
        const found = find(resource);
        const namespace = object.metadata?.namespace ?? "default";
        return served(api.create(found, namespace, sent(object, found)), found);
      }),

    update: (resource, object, part) =>
      answered("update", resource, () => {
        const target = targetOf(resource, { name: "", ...object.metadata });
        return served(api.update(target, sent(object, target.resource), part ?? "object"), target.resource);
      }),

    patch: (resource, name, patch, part) =>
      answered("patch", resource, () => {
        const target = targetOf(resource, name);
        return served(api.patch(target, patchBody(patch, target.resource), part ?? "object"), target.resource);
      }),

    delete: (resource, name, options = {}) =>
      answered("delete", resource, () => {
        const target = targetOf(resource, name);
        if (api.store.get(target.resource.storage, target.namespace, target.name) !== undefined) {
          api.remove(target, options);
        }
      }),

    watch: (resource, { resourceVersion, signal, ...selectors }, onEvent) =>
      answered("watch", resource, () => watch(api, find(resource), { ...selectors, resourceVersion, signal }, onEvent)),
  };
}

interface WatchOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
}

function watch<T extends KubeObject>(
  api: Api,
  resource: ApiResource,
  { resourceVersion, signal, ...selectors }: WatchOptions,
  onEvent: (event: WatchEvent<T>) => void,
): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const stop = api.watch(resource, { ...selectors, from: Number(resourceVersion) }, ({ type, after }) =>
    onEvent({ type, object: served(after, resource) }),
  );
  const bookmark = () => onEvent({ type: "BOOKMARK", resourceVersion: String(api.store.version) });
  const marking = setInterval(bookmark, BOOKMARK_INTERVAL);
  return new Promise((resolve) => {
    const end = () => {
      stop();
      clearInterval(marking);
      resolve();
    };
    signal.addEventListener("abort", end, { once: true });
  });
}

/** Runs a call as if it had gone over the network: later, and with the errors of the network's client. */
async function answered<T extends KubeObject, A>(
  verb: string,
  resource: Resource<T>,
  call: () => A | Promise<A>,
): Promise<A> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw refusedByAnswer(`${verb} ${resource.plural}`, error.status, JSON.stringify(error.toStatus()));
  }
}

function served<T extends KubeObject>(revision: Revision, resource: ApiResource): T {
  return revision.as(resource) as unknown as T;
}

/** As it would arrive: plain JSON, without undefined fields, and not shared with the sender. */
function sent(object: object, resource: ApiResource): Json {
  return JSON.parse(JSON.stringify({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...object })) as Json;
}

function patchBody(patch: Patch, resource: ApiResource): PatchBody {
  switch (patch.kind) {
    case "apply":
      return { kind: "apply", body: sent(patch.body, resource), fieldManager: patch.fieldManager };
    case "merge":
    case "strategic":
    case "json":
      return { kind: patch.kind, body: JSON.parse(JSON.stringify(patch.body)) as Json };
  }
}

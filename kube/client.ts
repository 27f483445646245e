import { randomInt } from "node:crypto";
import { type CredentialSource, loadCredentials } from "./credentials.ts";
import { apiVersionOf, type KubeObject, type Resource, type V1ObjectMeta, withoutManagedFields } from "./object.ts";
import { callName, listPath, objectPath, query, selection } from "./path.ts";
import { isMissingObject, refusalStatus, unreachable } from "./refusal.ts";
import { createTransport, type Transport } from "./transport.ts";
import { createLineSplitter, parseWatchLine } from "./watch-stream.ts";

export interface Selectors {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ObjectName {
  readonly name: string;
  readonly namespace?: string;
}

/** How a patch is meant: RFC 7386, Kubernetes' own merging of lists by key (not for custom resources), RFC 6902, or apply. */
export type Patch =
  | { readonly kind: "merge" | "strategic"; readonly body: object }
  | { readonly kind: "json"; readonly body: readonly object[] }
  | { readonly kind: "apply"; readonly body: object; readonly fieldManager: string; readonly force: boolean };

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

/**
 * The API server, as little of it as Ironbridge needs. Objects in lists come with apiVersion
 * and kind, and those in lists and watches without managedFields.
 * Every call throws IronbridgeError: IB_API_UNREACHABLE when no answer came, IB_API_REFUSED (with `status`) otherwise.
 */
export interface KubeClient {
  /** Undefined when there is no such object. */
  get<T extends KubeObject>(resource: Resource<T>, name: ObjectName): Promise<T | undefined>;
  list<T extends KubeObject>(
    resource: Resource<T>,
    selectors?: Selectors,
  ): Promise<{ readonly items: readonly T[]; readonly resourceVersion: string }>;
  create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T>;
  /** Replaces the object, or only its status. Refused with 409 when resourceVersion is set and old. */
  update<T extends KubeObject>(resource: Resource<T>, object: T, subresource?: "status"): Promise<T>;
  patch<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    patch: Patch,
    subresource?: "status",
  ): Promise<T>;
  /** No error when it is gone already. `gracePeriodSeconds` 0 is how a kubelet ends a pod's deletion. */
  delete<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    options?: { readonly gracePeriodSeconds?: number },
  ): Promise<void>;
  /**
   * Resolves when the server ends the watch in order, as it does every few minutes, or `signal` aborts.
   * Throws IB_API_REFUSED with status 410 when the version is too old.
   */
  watch<T extends KubeObject>(
    resource: Resource<T>,
    options: Selectors & { readonly resourceVersion: string; readonly signal: AbortSignal },
    onEvent: (event: WatchEvent<T>) => void,
  ): Promise<void>;
}

/** Milliseconds a call may take. */
const REQUEST_TIMEOUT = 30_000;
/** Objects in one answer to a list: keeps one answer small on both sides. */
const PAGE_SIZE = 500;
/** Seconds a watch lives, drawn anew for each so that they don't all end together. As in client-go's reflector. */
const WATCH_SECONDS = { shortest: 300, longest: 600 };
/** Milliseconds of silence allowed beyond the time at which the server should have ended the watch. */
const WATCH_GRACE = 30_000;

/**
 * Credentials from `kubeconfig` (a path), else the service account of the pod at `server`, else $KUBECONFIG, else the
 * service account at the Service `kubernetes`, else ~/.kube/config.
 * @throws {IronbridgeError} IB_OPTION_INVALID when there is none or it can't be read.
 */
export function createKubeClient(options: CredentialSource & { readonly userAgent: string }): KubeClient {
  const { userAgent } = options;
  return clientOver(createTransport(loadCredentials(options), { userAgent, timeout: REQUEST_TIMEOUT }));
}

/** The client's half that knows the API's conventions and nothing of connections. */
export function clientOver(transport: Transport): KubeClient {
  return {
    async get(resource, name) {
      const what = callName("get", resource, name);
      try {
        return parse(what, await transport.send({ what, method: "GET", path: objectPath(resource, name) }));
      } catch (error) {
        if (isMissingObject(error)) return undefined;
        throw error;
      }
    },

    list: (resource, selectors = {}) => listAll(transport, resource, selectors),

    async create(resource, object) {
      const { name, namespace } = nameOf(resource, object.metadata);
      const what = callName("create", resource, { name, ...namespace });
      const path = listPath(resource, namespace.namespace);
      return parse(what, await transport.send({ what, method: "POST", path, body: print(resource, object) }));
    },

    async update(resource, object, subresource) {
      const { name, namespace } = nameOf(resource, object.metadata);
      const what = callName("update", resource, { name, ...namespace }, subresource);
      const path = objectPath(resource, { name, ...namespace }, subresource);
      return parse(what, await transport.send({ what, method: "PUT", path, body: print(resource, object) }));
    },

    async patch(resource, name, patch, subresource) {
      const what = callName("patch", resource, name, subresource);
      const { contentType, settings, body } = patchRequest(resource, patch);
      const path = objectPath(resource, name, subresource) + query(settings);
      return parse(what, await transport.send({ what, method: "PATCH", path, contentType, body }));
    },

    async delete(resource, name, { gracePeriodSeconds } = {}) {
      const what = callName("delete", resource, name);
      const path = objectPath(resource, name) + query({ gracePeriodSeconds });
      try {
        await transport.send({ what, method: "DELETE", path });
      } catch (error) {
        if (!isMissingObject(error)) throw error;
      }
    },

    async watch(resource, { signal, ...options }, onEvent) {
      const what = callName("watch", resource, { ...namespaceOf(options) });
      const timeoutSeconds = randomInt(WATCH_SECONDS.shortest, WATCH_SECONDS.longest + 1);
      const { resourceVersion } = options;
      const settings = {
        watch: 1,
        allowWatchBookmarks: "true",
        resourceVersion,
        timeoutSeconds,
        ...selection(options),
      };
      const path = listPath(resource, options.namespace) + query(settings);
      const lines = createLineSplitter();
      await transport.stream({ what, method: "GET", path }, timeoutSeconds * 1000 + WATCH_GRACE, signal, (text) => {
        for (const line of lines.push(text)) onEvent(parseWatchLine(what, line));
      });
      if (lines.rest.trim() !== "" && !signal.aborted)
        throw unreachable(what, "the watch ended in the middle of a line");
    },
  };
}

interface ListAnswer<T> {
  readonly items?: readonly T[] | null;
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

/** All pages. A list whose continuation has expired (410) is read anew in one piece, which can't expire. */
async function listAll<T extends KubeObject>(transport: Transport, resource: Resource<T>, selectors: Selectors) {
  const what = callName("list", resource, { ...namespaceOf(selectors) });
  const page = async (settings: Record<string, string | number>): Promise<ListAnswer<T>> => {
    const path = listPath(resource, selectors.namespace) + query({ ...selection(selectors), ...settings });
    return parse(what, await transport.send({ what, method: "GET", path }));
  };

  const first = await page({ limit: PAGE_SIZE });
  const items = itemsOf(resource, first);
  try {
    for (let next = first.metadata?.continue; next; ) {
      const more = await page({ limit: PAGE_SIZE, continue: next });
      items.push(...itemsOf(resource, more));
      next = more.metadata?.continue;
    }
  } catch (error) {
    if (refusalStatus(error) !== 410) throw error;
    const whole = await page({});
    return { items: itemsOf(resource, whole), resourceVersion: whole.metadata?.resourceVersion ?? "" };
  }
  // The version of the first page: a watch from there on misses nothing.
  return { items, resourceVersion: first.metadata?.resourceVersion ?? "" };
}

/** One page's items, with the apiVersion and kind that lists of built-in kinds leave out. */
function itemsOf<T extends KubeObject>(resource: Resource<T>, { items }: ListAnswer<T>): T[] {
  const type = { apiVersion: apiVersionOf(resource), kind: resource.kind };
  return (items ?? []).map((item) => withoutManagedFields(item.kind === undefined ? { ...type, ...item } : item));
}

function nameOf<T extends KubeObject>(resource: Resource<T>, metadata: V1ObjectMeta | undefined) {
  const namespace = resource.namespaced ? { namespace: metadata?.namespace ?? "default" } : {};
  return { name: metadata?.name ?? "", namespace: namespace as { namespace?: string } };
}

function namespaceOf({ namespace }: Selectors): { namespace?: string } {
  return namespace === undefined ? {} : { namespace };
}

function patchRequest<T extends KubeObject>(resource: Resource<T>, patch: Patch) {
  switch (patch.kind) {
    case "merge":
      return { contentType: "application/merge-patch+json", settings: {}, body: JSON.stringify(patch.body) };
    case "strategic":
      return { contentType: "application/strategic-merge-patch+json", settings: {}, body: JSON.stringify(patch.body) };
    case "json":
      return { contentType: "application/json-patch+json", settings: {}, body: JSON.stringify(patch.body) };
    case "apply": {
      // JSON is YAML. The server wants to be told what it is applying.
      const { fieldManager, force } = patch;
      const settings = { fieldManager, force: String(force) };
      return { contentType: "application/apply-patch+yaml", settings, body: print(resource, patch.body) };
    }
  }
}

function print<T extends KubeObject>(resource: Resource<T>, object: object): string {
  return JSON.stringify({ apiVersion: apiVersionOf(resource), kind: resource.kind, ...object });
}

/** @throws {IronbridgeError} IB_API_UNREACHABLE when the answer isn't JSON: something else than the API server gave it. */
function parse<A>(what: string, body: string): A {
  try {
    return JSON.parse(body);
  } catch (error) {
    throw unreachable(what, `the answer is no JSON: ${body.slice(0, 80)}`, error);
  }
}

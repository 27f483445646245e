import { randomUUID } from "node:crypto";
import type { Clock } from "../../core/mod.ts";
import { checkPreconditions, type DeleteOptions, marked, timestamp, waitsForOthers } from "./deletion.ts";
import { type ApiObject, isObject, type Json, type Metadata, objectAt, textAt } from "./json.ts";
import { builtinListMerge, schemaListMerge } from "./list-keys.ts";
import { jsonPatch, mergePatch } from "./merge-patch.ts";
import { alreadyExists, badRequest, expired, forbidden, notFound, Refusal } from "./refusal.ts";
import type { Registry } from "./registry.ts";
import type { ApiResource } from "./resource.ts";
import { scaleOf, withScale } from "./scale.ts";
import { parseFieldSelector, parseLabelSelector, type Selector } from "./selector.ts";
import { applyFields } from "./server-side-apply.ts";
import { type ApiStore, Revision, type StoreEvent } from "./store.ts";
import { strategicMerge } from "./strategic-merge.ts";
import { preparedCreate, preparedUpdate } from "./write.ts";

/** One object, or where it would be. */
export interface Target {
  readonly resource: ApiResource;
  /** "" for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
}

export interface ListOptions {
  /** All namespaces when undefined. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Objects on one page. */
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
}

export interface Page {
  readonly items: readonly Revision[];
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remaining?: number;
}

export interface WriteOptions {
  readonly dryRun?: boolean | undefined;
  /** Whether fields the kind does not have are refused; dropped silently when not given. */
  readonly fieldValidation?: string | undefined;
}

export type PatchBody =
  | { readonly kind: "merge" | "json" | "strategic"; readonly body: Json }
  | { readonly kind: "apply"; readonly body: Json; readonly fieldManager: string };

export type Part = "object" | "status" | "scale";

/** What the API does with a request, whoever sent it: HTTP or the lab's own controllers. Every call ends at once. */
export class Api {
  readonly store: ApiStore;
  readonly registry: Registry;
  readonly #clock: Clock;

  constructor(store: ApiStore, registry: Registry, clock: Clock) {
    this.store = store;
    this.registry = registry;
    this.#clock = clock;
  }

  /** @throws {Refusal} 404 */
  get(target: Target): Revision {
    const found = this.store.get(target.resource.storage, target.namespace, target.name);
    if (found === undefined) throw notFound(target.resource, target.name);
    return found;
  }

  scale(target: Target): ApiObject {
    return scaleOf(this.get(target).object);
  }

  list(resource: ApiResource, options: ListOptions): Page {
    const selects = selectorOf(resource, options);
    const after = options.continue === undefined ? undefined : decodeContinue(options.continue);
    const all = this.store.list(resource.storage, options.namespace).filter((one) => selects(one.as(resource)));
    const rest = after === undefined ? all : all.filter(({ object }) => isAfter(object.metadata, after));
    const items = options.limit === undefined ? rest : rest.slice(0, options.limit);
    const page = { items, resourceVersion: String(this.store.version) };
    const last = items.at(-1);
    if (items.length === rest.length || last === undefined) return page;
    return { ...page, continue: encodeContinue(last.object.metadata), remaining: rest.length - items.length };
  }

  /** @throws {Refusal} 400, 403 in a namespace that ends, 404 for a namespace that is not there, 409, 422. */
  create(resource: ApiResource, namespace: string, body: Json, options: WriteOptions = {}): Revision {
    this.#checkNamespace(resource, namespace, body);
    checkFields(resource, body, options);
    const stamp = { uid: randomUUID(), time: this.#time(), suffix: randomUUID().slice(0, 5) };
    const object = preparedCreate(resource, resource.namespaced ? namespace : "", body, stamp);
    const { name } = object.metadata;
    if (this.store.get(resource.storage, object.metadata.namespace ?? "", name) !== undefined) {
      throw alreadyExists(resource, name);
    }
    return this.#put(resource, object, options);
  }

  /** @throws {Refusal} 400, 404, 409, 422 */
  update(target: Target, body: Json, part: Part, options: WriteOptions = {}): Revision {
    const before = this.get(target);
    if (part === "scale")
      return this.#store(target.resource, before, withScale(before.object, body), "object", options);
    checkFields(target.resource, body, options);
    return this.#store(target.resource, before, body, part, options);
  }

  /** A server-side apply creates what is not there. @throws {Refusal} 400, 404, 409, 415, 422 */
  patch(target: Target, patch: PatchBody, part: Part, options: WriteOptions = {}): Revision {
    const { resource, namespace, name } = target;
    const before = this.store.get(resource.storage, namespace, name);
    if (before === undefined && patch.kind === "apply" && part === "object") {
      return this.create(resource, namespace, this.#applied(target, undefined, patch), options);
    }
    if (before === undefined) throw notFound(resource, name);
    if (part === "scale") {
      const scale = merged(resource, scaleOf(before.object), patch);
      return this.#store(resource, before, withScale(before.object, scale), "object", options);
    }
    const served = before.as(resource);
    const next = patch.kind === "apply" ? this.#applied(target, served, patch) : merged(resource, served, patch);
    checkFields(resource, next, options);
    return this.#store(resource, before, next, part, options);
  }

  /**
   * Deletes at once, or marks the object and leaves it to the kubelet (Pods), its finalizers or the collector.
   * @returns The last state, and whether the object is gone.
   * @throws {Refusal} 404, 409
   */
  remove(target: Target, options: DeleteOptions = {}): { readonly revision: Revision; readonly gone: boolean } {
    const { resource, namespace, name } = target;
    const before = this.get(target);
    checkPreconditions(resource, before.object, options);
    if (options.dryRun) return { revision: before, gone: true };
    const dying = marked(resource, before.object, options, this.#clock.date());
    if (dying === undefined) {
      return { revision: this.store.remove(resource.storage, namespace, name) ?? before, gone: true };
    }
    if (dying === before.object) return { revision: before, gone: false };
    return { revision: this.store.put(resource.storage, dying), gone: false };
  }

  /**
   * Tells of every change after `from`, as seen through the selectors: an object that stops matching is DELETED.
   * @throws {Refusal} 400, 410
   */
  watch(
    resource: ApiResource,
    options: ListOptions & { readonly from: number },
    listener: (event: StoreEvent) => void,
  ): () => void {
    const selects = selectorOf(resource, options);
    const matches = (revision: Revision | undefined) =>
      revision !== undefined &&
      (options.namespace === undefined || revision.object.metadata.namespace === options.namespace) &&
      selects(revision.as(resource));
    return this.store.watch(resource.storage, options.from, (event) => {
      const was = matches(event.before);
      const is = event.type !== "DELETED" && matches(event.after);
      if (!was && !is) return;
      const type = !was ? "ADDED" : is ? "MODIFIED" : "DELETED";
      listener(type === event.type ? event : { ...event, type });
    });
  }

  /** Takes the named finalizer off; the object goes when it was the last one and deletion was asked for. */
  dropFinalizer(target: Target, finalizer: string): void {
    const { object } = this.get(target);
    const finalizers = (object.metadata.finalizers ?? []).filter((one) => one !== finalizer);
    this.#put(target.resource, { ...object, metadata: { ...object.metadata, finalizers } }, {});
  }

  #store(
    resource: ApiResource,
    before: Revision,
    body: Json,
    part: "object" | "status",
    options: WriteOptions,
  ): Revision {
    const object = preparedUpdate(resource, before.object, body, part);
    return object === before.object ? before : this.#put(resource, object, options);
  }

  #put(resource: ApiResource, object: ApiObject, { dryRun }: WriteOptions): Revision {
    if (dryRun) return new Revision(object);
    const { namespace = "", name, deletionTimestamp, finalizers = [] } = object.metadata;
    const stored = this.store.put(resource.storage, object);
    const isGone = deletionTimestamp !== undefined && finalizers.length === 0 && !waitsForOthers(resource, object);
    if (isGone) this.store.remove(resource.storage, namespace, name);
    return stored;
  }

  #checkNamespace(resource: ApiResource, namespace: string, body: Json): void {
    if (!resource.namespaced) return;
    const found = this.store.get("namespaces", "", namespace);
    if (found === undefined) {
      throw new Refusal(404, "NotFound", `namespaces "${namespace}" not found`, {
        name: namespace,
        kind: "namespaces",
      });
    }
    if (found.object.metadata.deletionTimestamp !== undefined) {
      const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
      throw forbidden(resource, textAt(body, "metadata", "name") ?? "", why);
    }
  }

  #applied(target: Target, before: ApiObject | undefined, patch: PatchBody & { readonly kind: "apply" }): ApiObject {
    const { resource, namespace, name } = target;
    if (!isObject(patch.body)) throw badRequest("an apply patch is an object");
    if (!patch.fieldManager) throw badRequest("fieldManager is required for apply patch");
    const placed = resource.namespaced ? { namespace } : {};
    const metadata: Metadata = { ...objectAt(patch.body, "metadata"), name, ...placed };
    const body = { ...patch.body, metadata } as ApiObject;
    const listMerge = resource.schema === undefined ? builtinListMerge : schemaListMerge(resource.schema);
    return applyFields(before, body, patch.fieldManager, listMerge, this.#time());
  }

  #time(): string {
    return timestamp(this.#clock.date());
  }
}

function checkFields(resource: ApiResource, body: Json, { fieldValidation }: WriteOptions): void {
  if (fieldValidation !== "Strict" || !isObject(body)) return;
  const unknown = resource.strategy.unknownFields?.(body as ApiObject) ?? [];
  if (unknown.length === 0) return;
  throw badRequest(`strict decoding error: ${unknown.map((field) => `unknown field "${field}"`).join(", ")}`);
}

function merged(resource: ApiResource, before: ApiObject, patch: PatchBody): Json {
  switch (patch.kind) {
    case "merge":
      return mergePatch(before, patch.body);
    case "json":
      return jsonPatch(before, patch.body);
    case "strategic":
      if (resource.schema !== undefined) {
        throw new Refusal(415, "UnsupportedMediaType", "a custom resource takes merge and JSON patches only");
      }
      return strategicMerge(before, patch.body);
    case "apply":
      throw badRequest("a Scale takes merge and JSON patches only");
  }
}

function selectorOf(resource: ApiResource, { labelSelector = "", fieldSelector = "" }: ListOptions): Selector {
  const labels = parseLabelSelector(labelSelector);
  const fields = parseFieldSelector(fieldSelector, resource);
  return (object) => labels(object) && fields(object);
}

type Position = Pick<Metadata, "name" | "namespace">;

function encodeContinue({ namespace = "", name }: Position): string {
  return Buffer.from(JSON.stringify({ namespace, name })).toString("base64url");
}

function decodeContinue(token: string): Position {
  try {
    return JSON.parse(Buffer.from(token, "base64url").toString()) as Position;
  } catch (cause) {
    throw expired(`the continue token can't be read: ${cause}`);
  }
}

function isAfter({ namespace = "", name }: Position, last: Position): boolean {
  return namespace > last.namespace! || (namespace === last.namespace && name > last.name);
}

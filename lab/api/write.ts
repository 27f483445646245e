import { type ApiObject, isObject, type Json, type JsonObject, type Metadata, sameJson, without } from "./json.ts";
import { badRequest, conflict, invalid } from "./refusal.ts";
import { type ApiResource, apiVersionOf } from "./resource.ts";
import { metadataErrors } from "./validation.ts";

/** What a new object is given. */
export interface Stamp {
  readonly uid: string;
  /** RFC 3339 with seconds. */
  readonly time: string;
  /** Five random characters for metadata.generateName. */
  readonly suffix: string;
}

/**
 * The object a create stores, with defaults, in stored form.
 * @throws {Refusal} 400 for an object of another kind or without a name, 422 for a wrong one.
 */
export function preparedCreate(resource: ApiResource, namespace: string, body: Json, stamp: Stamp): ApiObject {
  const sent = objectOf(resource, body);
  const { name, generateName } = sent.metadata;
  if (!name && !generateName) throw invalid(resource, "", [nameMissing]);
  const metadata = {
    ...cleanMetadata(sent.metadata),
    name: name || `${generateName}${stamp.suffix}`,
    ...placed(resource, sent.metadata, namespace),
    uid: stamp.uid,
    creationTimestamp: stamp.time,
    generation: 1,
  };
  const keepsStatus = resource.strategy.statusOnCreate === "kept" || !resource.subresources.includes("status");
  const bare: ApiObject = { ...(keepsStatus ? sent : without(sent, "status")), metadata };
  return checked(resource, bare, undefined);
}

const nameMissing = {
  field: "metadata.name",
  reason: "FieldValueRequired",
  message: "Required value: name or generateName is required",
} as const;

/**
 * The object an update stores in place of `before` (stored form): the whole object, or its status only.
 * @returns `before` itself when nothing changes.
 * @throws {Refusal} 400, 409 for an old resourceVersion or another uid, 422.
 */
export function preparedUpdate(
  resource: ApiResource,
  before: ApiObject,
  body: Json,
  part: "object" | "status",
): ApiObject {
  const sent = objectOf(resource, body);
  const { name, uid, resourceVersion } = sent.metadata;
  if (name !== undefined && name !== before.metadata.name) {
    const why = `the name of the object (${name}) does not match the name on the URL (${before.metadata.name})`;
    throw badRequest(why);
  }
  if (resourceVersion && resourceVersion !== before.metadata.resourceVersion) throw stale(resource, before);
  if (uid && uid !== before.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${before.metadata.uid}`;
    throw conflict(resource, before.metadata.name, why);
  }
  const next = part === "status" ? withStatus(resource, before, sent) : withSpec(resource, before, sent);
  const done = checked(resource, next, before);
  if (sameJson(withoutManagedTimes(done), withoutManagedTimes(before))) return before;
  return specChanged(before, done) ? withGeneration(done, (before.metadata.generation ?? 0) + 1) : done;
}

function stale(resource: ApiResource, before: ApiObject) {
  const why = "the object has been modified; please apply your changes to the latest version and try again";
  return conflict(resource, before.metadata.name, why);
}

/** The body as an object of this kind. */
function objectOf(resource: ApiResource, body: Json): ApiObject {
  if (!isObject(body)) throw badRequest("the request body must be an object");
  const { apiVersion = apiVersionOf(resource), kind = resource.kind } = body;
  if (apiVersion !== apiVersionOf(resource) || kind !== resource.kind) {
    const wanted = `${apiVersionOf(resource)}, Kind=${resource.kind}`;
    throw badRequest(`${apiVersion}, Kind=${kind} is not what this path serves (${wanted})`);
  }
  const metadata = isObject(body.metadata) ? body.metadata : {};
  return { ...body, apiVersion, kind, metadata: metadata as Metadata };
}

/** Without what only the server sets, and without empty maps. */
function cleanMetadata(metadata: Metadata): Metadata {
  const { resourceVersion, uid, creationTimestamp, deletionTimestamp, generation, selfLink, ...rest } = metadata;
  return withoutEmpty(rest as Metadata);
}

function withoutEmpty(metadata: Metadata): Metadata {
  const kept = Object.entries(metadata).filter(([, value]) => {
    if (value === null || value === undefined) return false;
    if (Array.isArray(value)) return value.length > 0;
    return typeof value !== "object" || Object.keys(value).length > 0;
  });
  return Object.fromEntries(kept) as Metadata;
}

function placed(resource: ApiResource, { namespace: sent }: Metadata, namespace: string): { namespace?: string } {
  if (!resource.namespaced) return {};
  if (sent !== undefined && sent !== namespace) {
    throw badRequest(
      `the namespace of the provided object does not match the namespace sent on the request (${sent}, ${namespace})`,
    );
  }
  return { namespace };
}

/**
 * The status as sent, and for built-in kinds the annotations: in a real API server the status of a Service carries
 * annotations along (a load balancer's controller records there what it did), that of a custom resource does not.
 */
function withStatus(resource: ApiResource, before: ApiObject, sent: ApiObject): ApiObject {
  const { managedFields = before.metadata.managedFields, annotations } = sent.metadata;
  const kept =
    resource.schema === undefined ? withoutEmpty({ ...before.metadata, annotations } as Metadata) : before.metadata;
  const metadata = managedFields === undefined ? kept : { ...kept, managedFields };
  return "status" in sent ? { ...before, metadata, status: sent.status } : { ...without(before, "status"), metadata };
}

/** Fields of metadata that a client can't change. */
const FIXED = ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"] as const;

function withSpec(resource: ApiResource, before: ApiObject, sent: ApiObject): ApiObject {
  const fixed = FIXED.flatMap((field) =>
    before.metadata[field] === undefined ? [] : [[field, before.metadata[field]]],
  );
  const { managedFields = before.metadata.managedFields } = sent.metadata;
  const metadata: Metadata = {
    ...cleanMetadata(sent.metadata),
    name: before.metadata.name,
    ...(before.metadata.namespace !== undefined && { namespace: before.metadata.namespace }),
    ...(managedFields !== undefined && { managedFields }),
    ...(Object.fromEntries(fixed) as JsonObject),
  };
  if (!resource.subresources.includes("status")) return { ...sent, metadata };
  const rest = { ...without(sent, "status"), metadata };
  return before.status === undefined ? rest : { ...rest, status: before.status };
}

/** With defaults and in stored form. */
function checked(resource: ApiResource, object: ApiObject, before: ApiObject | undefined): ApiObject {
  const { defaults, validate } = resource.strategy;
  const named = metadataErrors(resource, object);
  if (named.length > 0) throw invalid(resource, object.metadata.name, named);
  const filled = defaults === undefined ? object : defaults(object, before);
  const errors = validate === undefined ? [] : validate(filled, before);
  if (errors.length > 0) throw invalid(resource, object.metadata.name, errors);
  return resource.encode === undefined ? filled : resource.encode(filled);
}

/** True when more than metadata and status differ. */
function specChanged(before: ApiObject, after: ApiObject): boolean {
  const bare = ({ metadata, status, ...rest }: ApiObject): JsonObject => rest;
  return !sameJson(bare(before), bare(after));
}

function withGeneration(object: ApiObject, generation: number): ApiObject {
  return { ...object, metadata: { ...object.metadata, generation } };
}

/** For comparing: applying the same again changes only the time of the entry. */
function withoutManagedTimes(object: ApiObject): ApiObject {
  const { managedFields, resourceVersion, ...metadata } = object.metadata;
  if (!Array.isArray(managedFields)) return { ...object, metadata: metadata as Metadata };
  const entries = managedFields.map((entry: Json) => (isObject(entry) ? without(entry, "time") : entry));
  return { ...object, metadata: { ...metadata, managedFields: entries } as Metadata };
}

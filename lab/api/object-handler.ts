import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../core/mod.ts";
import type { Api, ListOptions, Part, PatchBody, Target } from "./api.ts";
import type { DeleteOptions } from "./deletion.ts";
import { isObject, type Json, type JsonObject, numberAt, objectAt, textAt } from "./json.ts";
import { badRequest, noSuchPath, Refusal } from "./refusal.ts";
import { answerForm, mediaType, type ObjectPath, parseBody, queryNumber, readBody, rowObjectOf } from "./request.ts";
import { type ApiResource, apiVersionOf } from "./resource.ts";
import type { Revision } from "./store.ts";
import { columnDefinitions, rowJson } from "./table.ts";

/** An answer that is ready: its status and its JSON. */
export interface Answer {
  readonly status: number;
  readonly json: string;
  /** The media type when it is not plain JSON. */
  readonly type?: string;
}

/** Everything about one request for objects. */
export interface ObjectRequest {
  readonly api: Api;
  readonly clock: Clock;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  readonly resource: ApiResource;
  readonly path: ObjectPath;
}

/** Answers a request for one object or a collection, watches and logs excepted. */
export async function answerObjects(context: ObjectRequest): Promise<Answer> {
  const { path, request } = context;
  if (path.name === undefined) return answerCollection(context);
  const target = targetOf(context, path.name);
  if (path.subresource === "binding" && request.method === "POST") return bind(context, target);
  const part = partOf(context);
  switch (request.method) {
    case "GET":
      if (part === "scale") return answer(200, context.api.scale(target));
      return oneAnswer(context, 200, context.api.get(target));
    case "PUT":
      return written(context, part, context.api.update(target, await body(context), part, writeOptions(context)));
    case "PATCH":
      return written(context, part, context.api.patch(target, await patchBody(context), part, writeOptions(context)));
    case "DELETE":
      return deleted(context, target, await deleteOptions(context));
    default:
      throw methodNotAllowed();
  }
}

async function answerCollection(context: ObjectRequest): Promise<Answer> {
  const { api, resource, request, path } = context;
  switch (request.method) {
    case "GET":
      return listAnswer(context);
    case "POST": {
      const object = await body(context);
      if (resource.namespaced && path.namespace === undefined) {
        throw badRequest("an empty namespace may not be set during creation");
      }
      return oneAnswer(context, 201, api.create(resource, path.namespace ?? "", object, writeOptions(context)));
    }
    case "DELETE": {
      const options = await deleteOptions(context);
      for (const { object } of api.list(resource, listOptions(context)).items) {
        const { namespace = "", name } = object.metadata;
        api.remove({ resource, namespace, name }, options);
      }
      return answer(200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" });
    }
    default:
      throw methodNotAllowed();
  }
}

export function targetOf({ resource, path }: ObjectRequest, name: string): Target {
  if (resource.namespaced && path.namespace === undefined) throw noSuchPath();
  return { resource, namespace: resource.namespaced ? path.namespace! : "", name };
}

function partOf({ path, resource }: ObjectRequest): Part {
  const { subresource } = path;
  if (subresource === undefined) return "object";
  if ((subresource === "status" || subresource === "scale") && resource.subresources.includes(subresource)) {
    return subresource;
  }
  throw noSuchPath();
}

export function listOptions({ path, query }: ObjectRequest): ListOptions {
  const limit = queryNumber(query, "limit");
  return {
    namespace: path.namespace,
    labelSelector: query.get("labelSelector") ?? undefined,
    fieldSelector: query.get("fieldSelector") ?? undefined,
    limit: limit === 0 ? undefined : limit,
    continue: query.get("continue") || undefined,
  };
}

function listAnswer(context: ObjectRequest): Answer {
  const { api, resource, query, request, clock } = context;
  const page = api.list(resource, listOptions(context));
  const metadata = JSON.stringify({
    resourceVersion: page.resourceVersion,
    ...(page.continue !== undefined && { continue: page.continue, remainingItemCount: page.remaining }),
  });
  if (answerForm(request) === "table") {
    const rowObject = rowObjectOf(query);
    const now = clock.date().getTime();
    return {
      status: 200,
      json: tableJson(
        resource,
        metadata,
        page.items.map((one) => rowJson(one, resource, rowObject, now)),
      ),
    };
  }
  const items = page.items.map((one) => one.json(resource)).join(",");
  const head = `"kind":"${resource.kind}List","apiVersion":"${apiVersionOf(resource)}"`;
  return { status: 200, json: `{${head},"metadata":${metadata},"items":[${items}]}` };
}

function tableJson(resource: ApiResource, metadata: string, rows: readonly string[]): string {
  const columns = JSON.stringify(columnDefinitions(resource.columns));
  const head = `"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":${metadata}`;
  return `{${head},"columnDefinitions":${columns},"rows":[${rows.join(",")}]}`;
}

function oneAnswer(context: ObjectRequest, status: number, revision: Revision): Answer {
  const { resource, query, request, clock } = context;
  if (answerForm(request) !== "table") return { status, json: revision.json(resource) };
  const row = rowJson(revision, resource, rowObjectOf(query), clock.date().getTime());
  const metadata = JSON.stringify({ resourceVersion: revision.object.metadata.resourceVersion });
  return { status, json: tableJson(resource, metadata, [row]) };
}

function written(context: ObjectRequest, part: Part, revision: Revision): Answer {
  if (part !== "scale") return oneAnswer(context, 200, revision);
  const { metadata } = revision.object;
  const target = { resource: context.resource, namespace: metadata.namespace ?? "", name: metadata.name };
  return answer(200, context.api.scale(target));
}

function deleted(context: ObjectRequest, target: Target, options: DeleteOptions): Answer {
  const { revision, gone } = context.api.remove(target, options);
  // Pods and Services answer with the object, as in Kubernetes; the others with a Status.
  if (!gone || ["pods", "services"].includes(target.resource.storage)) return oneAnswer(context, 200, revision);
  const { group, plural } = target.resource;
  const details = { name: target.name, group, kind: plural, uid: revision.object.metadata.uid };
  return answer(200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details });
}

/** POST pods/NAME/binding: what a scheduler says. */
async function bind(context: ObjectRequest, target: Target): Promise<Answer> {
  const nodeName = textAt(await body(context), "target", "name");
  if (nodeName === undefined) throw badRequest("target.name: Required value");
  const bound = { spec: { nodeName } };
  context.api.patch(target, { kind: "merge", body: bound }, "object");
  return answer(201, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" });
}

async function body({ request }: ObjectRequest): Promise<Json> {
  return parseBody(await readBody(request), mediaType(request));
}

const PATCH_KINDS: Readonly<Record<string, "merge" | "json" | "strategic">> = {
  "application/merge-patch+json": "merge",
  "application/json-patch+json": "json",
  "application/strategic-merge-patch+json": "strategic",
};

async function patchBody({ request, query }: ObjectRequest): Promise<PatchBody> {
  const type = mediaType(request);
  const content = await readBody(request);
  if (type === "application/apply-patch+yaml") {
    return { kind: "apply", body: parseBody(content, type), fieldManager: query.get("fieldManager") ?? "" };
  }
  const kind = PATCH_KINDS[type];
  if (kind === undefined) throw new Refusal(415, "UnsupportedMediaType", `${type} is not a kind of patch`);
  return { kind, body: parseBody(content, type) };
}

function writeOptions({ query }: ObjectRequest): { readonly dryRun: boolean; readonly fieldValidation: string } {
  return { dryRun: query.get("dryRun") === "All", fieldValidation: query.get("fieldValidation") ?? "Warn" };
}

async function deleteOptions({ request, query }: ObjectRequest): Promise<DeleteOptions> {
  const content = await readBody(request);
  const sent: JsonObject = content.length === 0 ? {} : objectAt(parseBody(content, mediaType(request)));
  const { preconditions } = sent;
  return {
    gracePeriodSeconds: numberAt(sent, "gracePeriodSeconds") ?? queryNumber(query, "gracePeriodSeconds"),
    propagationPolicy: textAt(sent, "propagationPolicy") ?? query.get("propagationPolicy") ?? undefined,
    dryRun: query.get("dryRun") === "All" || Array.isArray(sent.dryRun),
    ...(isObject(preconditions) && { preconditions }),
  };
}

export function answer(status: number, value: JsonObject): Answer {
  return { status, json: JSON.stringify(value) };
}

function methodNotAllowed(): Refusal {
  return new Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
}

import type { IncomingMessage } from "node:http";
import { parse as parseYaml } from "yaml";
import type { Json } from "./json.ts";
import { decodeProtobuf, PROTOBUF } from "./protobuf.ts";
import { badRequest, Refusal } from "./refusal.ts";
import type { RowObject } from "./table.ts";

/** A request that means objects, taken apart. */
export interface ObjectPath {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

/**
 * Reads /api/v1/... and /apis/GROUP/VERSION/...; undefined for any other path.
 * A namespace by itself is the cluster-scoped object /api/v1/namespaces/NAME.
 */
export function parseObjectPath(pathname: string): ObjectPath | undefined {
  const parts = pathname.split("/").flatMap((part) => (part === "" ? [] : decodePart(part)));
  const [root, ...rest] = parts;
  if (root !== "api" && root !== "apis") return undefined;
  const [group = "", version = "", ...path] = root === "api" ? ["", ...rest] : rest;
  if (path.length === 0) return undefined;
  const inNamespace = path[0] === "namespaces" && path.length > 2 && !NAMESPACE_PARTS.has(path[2]!);
  const [plural = "", name, subresource, ...extra] = inNamespace ? path.slice(2) : path;
  if (extra.length > 0) return undefined;
  return {
    group,
    version,
    plural,
    ...(inNamespace && { namespace: path[1]! }),
    ...(name !== undefined && { name }),
    ...(subresource !== undefined && { subresource }),
  };
}

/** @throws {Refusal} 400 for a broken escape */
function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw badRequest(`the path can't be read at "${part}": ${cause}`);
  }
}

/** /namespaces/NAME/status is a part of the namespace, not a kind in it. */
const NAMESPACE_PARTS: ReadonlySet<string> = new Set(["status", "finalize"]);

/** The largest request body, in octets; a real API server's etcd takes half of it. */
const MAX_BODY = 3 * 1024 * 1024;

/** @throws {Refusal} 413 */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Refusal(413, "RequestEntityTooLarge", `the body is larger than ${MAX_BODY} octets`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The media type of the body, without parameters. */
export function mediaType(request: IncomingMessage): string {
  return (request.headers["content-type"] ?? "application/json").split(";")[0]!.trim();
}

/** @throws {Refusal} 400 for a body that can't be read, 415 for a form that is not spoken here. */
export function parseBody(bytes: Buffer, type: string): Json {
  if (type === PROTOBUF) return decodeProtobuf(bytes);
  try {
    if (type.endsWith("yaml")) return parseYaml(bytes.toString()) as Json;
    if (type.endsWith("json")) return JSON.parse(bytes.toString()) as Json;
  } catch (cause) {
    throw badRequest(`the body can't be read as ${type}: ${cause instanceof Error ? cause.message : cause}`);
  }
  throw new Refusal(415, "UnsupportedMediaType", `the body is ${type}, which this server does not read; send JSON`);
}

/** Of the forms a client accepts, the first one there is. */
export type AnswerForm = "json" | "table" | "aggregated-v2" | "aggregated-v2beta1";

export function answerForm(request: IncomingMessage): AnswerForm {
  for (const range of (request.headers.accept ?? "").split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    if (type !== "application/json") continue;
    const values = Object.fromEntries(parameters.map((parameter) => parameter.split("=")));
    if (values.as === "Table") return "table";
    if (values.as === "APIGroupDiscoveryList" && values.v === "v2") return "aggregated-v2";
    if (values.as === "APIGroupDiscoveryList" && values.v === "v2beta1") return "aggregated-v2beta1";
    if (values.as === undefined) return "json";
  }
  return "json";
}

export function rowObjectOf(query: URLSearchParams): RowObject {
  const wanted = query.get("includeObject");
  return wanted === "None" || wanted === "Object" ? wanted : "Metadata";
}

/** A number of the query, undefined when it is not given. @throws {Refusal} 400 */
export function queryNumber(query: URLSearchParams, field: string): number | undefined {
  const text = query.get(field);
  if (text === null || text === "") return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw badRequest(`${field}: "${text}" is not a number`);
  return value;
}

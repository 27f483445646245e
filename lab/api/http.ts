import type { IncomingMessage, ServerResponse } from "node:http";
import { type Clock, explainError, type Log } from "../../core/mod.ts";
import type { Api } from "./api.ts";
import { aggregated, coreVersions, groupList, groupOf, groupVersions, resourceList, VERSION } from "./discovery.ts";
import { type Faults, requestFacts } from "./faults.ts";
import type { JsonObject } from "./json.ts";
import { type LogSource, serveLog } from "./log-handler.ts";
import { type Answer, answer, answerObjects, type ObjectRequest } from "./object-handler.ts";
import { OPEN_API_V2, openApiDocument, openApiIndex } from "./openapi.ts";
import { noSuchPath, Refusal } from "./refusal.ts";
import { answerForm, parseObjectPath } from "./request.ts";
import type { ApiResource } from "./resource.ts";
import { serveWatch } from "./watch-handler.ts";

export interface HandlerOptions {
  readonly api: Api;
  readonly clock: Clock;
  readonly log: Log;
  readonly faults: Faults;
  /** The way to end each watch there is. */
  readonly watches: Set<() => void>;
  readonly logs?: LogSource;
}

/** The request listener of the API: what the paths mean is in the handlers, here they are chosen. */
export function requestHandler(options: HandlerOptions): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    respond(options, request, response).catch((error: unknown) => {
      const refusal = error instanceof Refusal ? error : internalError(options.log, request, error);
      if (response.headersSent) response.destroy();
      else send(response, answer(refusal.status, refusal.toStatus()));
    });
  };
}

async function respond(options: HandlerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://api");
  const failure = await options.faults.strike(requestFacts(request, url));
  if (failure !== undefined) throw new Refusal(failure, "InternalError", "a fault was asked for");
  const { api, clock, log } = options;
  const context = objectRequest(options, request, response, url);
  if (context === undefined) return send(response, answerPath(options, request, url));
  log.debug({ event: "api.request", method: request.method, path: url.pathname }, "request");
  const { query, path } = context;
  const watch = query.get("watch");
  if (request.method === "GET" && (watch === "true" || watch === "1")) return serveWatch(context, options.watches);
  if (path.subresource === "log" && options.logs !== undefined) return serveLog(context, options.logs);
  const result = await answerObjects({ ...context, api, clock });
  send(response, result);
}

function objectRequest(
  { api, clock }: HandlerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): ObjectRequest | undefined {
  const path = parseObjectPath(url.pathname);
  if (path === undefined) return undefined;
  const resource = api.registry.find(path.group, path.version, path.plural);
  if (resource === undefined) throw noSuchPath();
  return { api, clock, request, response, query: url.searchParams, resource, path };
}

/** Everything that is no object: discovery, versions, health. */
function answerPath({ api }: HandlerOptions, request: IncomingMessage, { pathname }: URL): Answer {
  const { resources } = api.registry;
  const parts = pathname.split("/").filter((part) => part !== "");
  const [root, group, version] = parts;
  switch (root) {
    case "version":
      return answer(200, VERSION);
    case "healthz":
    case "livez":
    case "readyz":
      return { status: 200, json: '"ok"' };
    case "openapi":
      if (group === "v2") return openApiV2(request);
      return found(openApi(resources, parts.slice(1)));
    case "api":
      if (parts.length === 1) return discovery(request, resources, "core");
      return found(resourceList(resources, group!));
    case "apis":
      if (parts.length === 1) return discovery(request, resources, "named");
      return found(version === undefined ? groupOf(resources, group!) : resourceList(resources, `${group}/${version}`));
    default:
      throw noSuchPath();
  }
}

function found(value: JsonObject | undefined): Answer {
  if (value === undefined) throw noSuchPath();
  return answer(200, value);
}

/** As real API servers name it: what clients ask for has an @, which is not allowed in a media type. */
const OPEN_API_V2_BINARY = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/** kubectl asks for protobuf before it applies a List, and reads the empty message as a document without definitions. */
function openApiV2({ headers: { accept = "" } }: IncomingMessage): Answer {
  if (!accept.includes("proto-openapi")) return answer(200, OPEN_API_V2);
  return { status: 200, json: "", type: OPEN_API_V2_BINARY };
}

function openApi(
  resources: readonly ApiResource[],
  [version, root, ...rest]: readonly string[],
): JsonObject | undefined {
  if (version !== "v3") return undefined;
  return root === undefined ? openApiIndex(groupVersions(resources)) : openApiDocument(resources, rest.join("/"));
}

function discovery(request: IncomingMessage, resources: readonly ApiResource[], groups: "core" | "named"): Answer {
  const form = answerForm(request);
  if (form === "aggregated-v2" || form === "aggregated-v2beta1") {
    const version = form === "aggregated-v2" ? "v2" : "v2beta1";
    return {
      ...answer(200, aggregated(resources, groups, `apidiscovery.k8s.io/${version}`)),
      type: `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
    };
  }
  return answer(200, groups === "core" ? coreVersions() : groupList(resources));
}

function send(response: ServerResponse, { status, json, type = "application/json" }: Answer): void {
  const body = Buffer.from(json);
  response.writeHead(status, { "content-type": type, "content-length": body.length });
  response.end(body);
}

function internalError(log: Log, request: IncomingMessage, error: unknown): Refusal {
  log.error({ event: "api.failed", err: error, method: request.method, path: request.url }, "request failed");
  return new Refusal(500, "InternalError", `Internal error occurred: ${explainError(error)}`);
}

import { type JsonObject, without } from "./json.ts";
import { type ApiResource, apiVersionOf } from "./resource.ts";

/** Where kubectl finds the OpenAPI document of each group version. */
export function openApiIndex(groupVersions: readonly string[]): JsonObject {
  const paths = groupVersions.map((groupVersion) => {
    const path = pathOf(groupVersion);
    return [path, { serverRelativeURL: `/openapi/v3/${path}` }];
  });
  return { paths: Object.fromEntries(paths) };
}

/** "api/v1" or "apis/GROUP/VERSION". */
function pathOf(groupVersion: string): string {
  return groupVersion.includes("/") ? `apis/${groupVersion}` : `api/${groupVersion}`;
}

/**
 * The OpenAPI v3 document of one group version, as little as kubectl asks of it: that PATCH of every kind checks fields
 * on the server (so that apply and create need no schema of their own), and the schema of custom resources for explain.
 */
export function openApiDocument(resources: readonly ApiResource[], groupVersion: string): JsonObject | undefined {
  const members = resources.filter((resource) => apiVersionOf(resource) === groupVersion);
  if (members.length === 0) return undefined;
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: "v1.32.0" },
    paths: Object.fromEntries(members.map((resource) => [objectPath(resource), operations(resource)])),
    components: { schemas: Object.fromEntries(members.map((resource) => [schemaName(resource), schemaOf(resource)])) },
  };
}

function objectPath(resource: ApiResource): string {
  const space = resource.namespaced ? "/namespaces/{namespace}" : "";
  return `/${pathOf(apiVersionOf(resource))}${space}/${resource.plural}/{name}`;
}

function schemaName({ group, version, kind }: ApiResource): string {
  return `${group === "" ? "core" : group}.${version}.${kind}`;
}

function operations(resource: ApiResource): JsonObject {
  const { group, version, kind } = resource;
  const schema = { $ref: `#/components/schemas/${schemaName(resource)}` };
  const common = {
    "x-kubernetes-group-version-kind": { group, version, kind },
    responses: { "200": { description: "OK", content: { "application/json": { schema } } } },
  };
  const query = (name: string) => ({ name, in: "query", schema: { type: "string" } });
  return {
    get: { ...common, "x-kubernetes-action": "get" },
    patch: {
      ...common,
      "x-kubernetes-action": "patch",
      parameters: ["dryRun", "fieldManager", "fieldValidation", "force"].map(query),
    },
  };
}

function schemaOf(resource: ApiResource): JsonObject {
  const { group, version, kind } = resource;
  const properties = {
    apiVersion: { type: "string", description: "The version of this form of the object." },
    kind: { type: "string", description: "The kind of the object." },
    metadata: { type: "object", description: "Name, namespace, labels, annotations and what the server adds." },
    ...resource.schema?.properties,
  };
  return {
    ...without(resource.schema ?? {}, "x-kubernetes-validations"),
    type: "object",
    description: resource.schema?.description ?? `${kind} of Kubernetes; see https://kubernetes.io/docs/reference/.`,
    properties,
    "x-kubernetes-group-version-kind": [{ group, version, kind }],
  };
}

/** OpenAPI v2 without definitions: clients that ask for it fall back to the types built into them. */
export const OPEN_API_V2: JsonObject = {
  swagger: "2.0",
  info: { title: "Kubernetes", version: "v1.32.0" },
  paths: {},
  definitions: {},
};

import { builtinType, type Field, fieldsOf, typeNameOf } from "./builtin-types.ts";
import type { JsonObject } from "./json.ts";
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
 * on the server (so that apply and create need no schema of their own), and the fields there are for explain.
 */
export function openApiDocument(resources: readonly ApiResource[], groupVersion: string): JsonObject | undefined {
  const members = resources.filter((resource) => apiVersionOf(resource) === groupVersion);
  if (members.length === 0) return undefined;
  const shared = sharedSchemas(members.flatMap(({ group, kind }) => typeNameOf(group, kind) ?? []));
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: "v1.32.0" },
    paths: Object.fromEntries(members.map((resource) => [objectPath(resource), operations(resource)])),
    components: {
      schemas: { ...Object.fromEntries(members.map((one) => [schemaName(one), schemaOf(one)])), ...shared },
    },
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
  const { group, version, kind, schema } = resource;
  const typeName = typeNameOf(group, kind);
  const properties = {
    apiVersion: { type: "string", description: "The version of this form of the object." },
    kind: { type: "string", description: "The kind of the object." },
    metadata: { type: "object", description: "Name, namespace, labels, annotations and what the server adds." },
    ...schema?.properties,
    ...(typeName !== undefined && typeProperties(typeName)),
  };
  return {
    type: "object",
    description: schema?.description ?? `${kind} of Kubernetes; see https://kubernetes.io/docs/reference/.`,
    properties,
    ...(schema?.required !== undefined && { required: schema.required }),
    "x-kubernetes-group-version-kind": [{ group, version, kind }],
  };
}

/** The schemas of the types that the named ones are made of, by name. */
function sharedSchemas(roots: readonly string[]): JsonObject {
  const schemas: Record<string, JsonObject> = {};
  const waiting = [...roots];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (name in schemas) continue;
    schemas[name] = { type: "object", properties: typeProperties(name) };
    waiting.push(...partTypes(name));
  }
  return schemas;
}

function typeProperties(typeName: string): JsonObject {
  return Object.fromEntries([...fieldsOf(typeName)].map(([name, field]) => [name, fieldSchema(field)]));
}

function partTypes(typeName: string): readonly string[] {
  return [...fieldsOf(typeName).values()].map(({ type }) => type).filter((type) => builtinType(type) !== undefined);
}

/** Scalars of the table of built-in types, as OpenAPI names them. */
const SCALARS: Readonly<Record<string, JsonObject>> = {
  string: { type: "string" },
  int: { type: "integer" },
  bool: { type: "boolean" },
  double: { type: "number" },
  bytes: { type: "string", format: "byte" },
  time: { type: "string", format: "date-time" },
  quantity: { type: "string" },
  intOrString: { type: "string", format: "int-or-string" },
  duration: { type: "integer" },
  raw: { type: "object" },
};

function fieldSchema({ type, shape }: Field): JsonObject {
  const one = SCALARS[type] ?? { allOf: [{ $ref: `#/components/schemas/${type}` }] };
  if (shape === "list") return { type: "array", items: one };
  return shape === "map" ? { type: "object", additionalProperties: one } : one;
}

/** OpenAPI v2 without definitions: clients that ask for it fall back to the types built into them. */
export const OPEN_API_V2: JsonObject = {
  swagger: "2.0",
  info: { title: "Kubernetes", version: "v1.32.0" },
  paths: {},
  definitions: {},
};

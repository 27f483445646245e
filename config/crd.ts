import { z } from "zod";
import type { CustomResource } from "./resource.ts";
import type { KindDescription } from "./schema.ts";

type JsonSchema = Record<string, unknown>;

const INT32 = { min: -(2 ** 31), max: 2 ** 31 - 1 };

/** The CustomResourceDefinition of one kind: structural schemas, printer columns, status subresource. */
export function crdOf(resource: CustomResource<unknown>, kind: KindDescription): object {
  const { group, version, plural } = resource;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      names: {
        kind: resource.kind,
        listKind: `${resource.kind}List`,
        plural,
        singular: resource.kind.toLowerCase(),
      },
      scope: resource.namespaced ? "Namespaced" : "Cluster",
      versions: [
        ...(kind.older ?? []).map((older) => ({
          name: older.version,
          served: true,
          storage: false,
          deprecated: true,
          deprecationWarning: older.warning,
          ...versionParts({ ...kind, ...older }),
        })),
        { name: version, served: true, storage: true, ...versionParts(kind) },
      ],
    },
  };
}

function versionParts(kind: Pick<KindDescription, "columns" | "description" | "spec" | "status">) {
  return {
    ...(kind.columns.length === 0 ? {} : { additionalPrinterColumns: kind.columns }),
    subresources: { status: {} },
    schema: { openAPIV3Schema: objectSchema(kind) },
  };
}

function objectSchema(kind: Pick<KindDescription, "description" | "spec" | "status">): JsonSchema {
  return {
    description: kind.description,
    type: "object",
    ...(kind.spec.safeParse(undefined).success ? {} : { required: ["spec"] }),
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      spec: structural(kind.spec),
      status: structural(kind.status),
    },
  };
}

/** What users may write (`io: "input"`), in the subset of OpenAPI that the API server calls structural. */
function structural(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io: "input",
    target: "openapi-3.0",
    override: ({ jsonSchema }) => {
      // An empty list or object as a default would be written into every stored object, where no user put it.
      if (typeof jsonSchema.default === "object") delete jsonSchema.default;
      // The bounds of the number types themselves say nothing.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === INT32.max && jsonSchema.minimum === INT32.min) {
        delete jsonSchema.maximum;
        delete jsonSchema.minimum;
      }
    },
  });
  return json;
}

import { DEFAULT_COLUMNS } from "./cluster-columns.ts";
import { type ApiObject, at, isObject, type Json, listAt, objectAt, textAt, textsAt } from "./json.ts";
import { compileJsonPath } from "./json-path.ts";
import type { FieldError } from "./refusal.ts";
import type { ApiResource, Strategy } from "./resource.ts";
import { type Schema, schemaErrors, withDefaults, withoutUnknown } from "./schema.ts";
import { type Column, NAME_COLUMN, since } from "./table.ts";
import { required } from "./validation.ts";

export const CRD_STORAGE = "customresourcedefinitions.apiextensions.k8s.io";

/** What a CustomResourceDefinition makes the API serve: one resource for each served version, the stored one first. */
export function resourcesOf(crd: ApiObject): readonly ApiResource[] {
  const versions = listAt(crd, "spec", "versions").filter((version) => at(version, "served") === true);
  const storedFirst = [...versions].sort(
    (a, b) => Number(at(b, "storage") === true) - Number(at(a, "storage") === true),
  );
  return storedFirst.map((version) => resourceOf(crd, version));
}

function resourceOf(crd: ApiObject, served: Json): ApiResource {
  const schema = objectAt(served, "schema", "openAPIV3Schema") as Schema;
  const group = textAt(crd, "spec", "group") ?? "";
  const version = textAt(served, "name") ?? "";
  const hasStatus = isObject(at(served, "subresources", "status"));
  const names = objectAt(crd, "spec", "names");
  const kind = textAt(names, "kind") ?? "";
  const stored = listAt(crd, "spec", "versions").find((one) => at(one, "storage") === true);
  const storedVersion = `${group}/${textAt(stored, "name")}`;
  return {
    group,
    version,
    kind,
    plural: textAt(names, "plural") ?? "",
    singular: textAt(names, "singular") ?? kind.toLowerCase(),
    shortNames: textsAt(names, "shortNames"),
    categories: textsAt(names, "categories"),
    namespaced: textAt(crd, "spec", "scope") === "Namespaced",
    subresources: hasStatus ? ["status"] : [],
    storage: crd.metadata.name,
    strategy: strategyOf(schema),
    columns: columnsOf(served),
    selectableFields: listAt(served, "selectableFields").flatMap((field) => textAt(field, "jsonPath")?.slice(1) ?? []),
    schema,
    // Conversion strategy None: only the version's name changes.
    decode: (object) => ({ ...object, apiVersion: `${group}/${version}` }),
    encode: (object) => ({ ...object, apiVersion: storedVersion }),
  };
}

function strategyOf(schema: Schema): Strategy {
  return {
    defaults: (object) => withDefaults(schema, withoutUnknown(schema, object).value) as ApiObject,
    validate: (object) => schemaErrors(schema, object),
    unknownFields: (object) => withoutUnknown(schema, object).unknown,
  };
}

function columnsOf(version: Json): readonly Column[] {
  const columns = listAt(version, "additionalPrinterColumns").filter(isObject);
  return columns.length === 0 ? DEFAULT_COLUMNS : [NAME_COLUMN, ...columns.map(printerColumn)];
}

function printerColumn(column: Json): Column {
  const find = compileJsonPath(textAt(column, "jsonPath") ?? "");
  const type = (textAt(column, "type") ?? "string") as Column["type"];
  const cell = (value: Json | undefined, now: number): Json => {
    if (value === undefined) return null;
    if (type === "date") return typeof value === "string" ? since(value, now) : null;
    if (type !== "string") return value;
    return typeof value === "string" ? value : JSON.stringify(value);
  };
  return {
    name: textAt(column, "name") ?? "",
    // The server has turned the date into an age already.
    type: type === "date" ? "string" : type,
    description: textAt(column, "description") ?? "",
    priority: Number(at(column, "priority") ?? 0),
    cell: (object, now) => cell(find(object)[0], now),
  };
}

/** The names and conditions a real API server writes into a CustomResourceDefinition it accepts. */
export function crdDefaults(crd: ApiObject): ApiObject {
  const names = objectAt(crd, "spec", "names");
  const kind = textAt(names, "kind") ?? "";
  const filled = { singular: kind.toLowerCase(), listKind: `${kind}List`, ...names };
  const accepted = (type: string, reason: string, message: string) => ({
    type,
    status: "True",
    reason,
    message,
    lastTransitionTime: crd.metadata.creationTimestamp,
  });
  const stored = listAt(crd, "spec", "versions").filter((version) => at(version, "storage") === true);
  return {
    ...crd,
    spec: { conversion: { strategy: "None" }, ...objectAt(crd, "spec"), names: filled },
    status: {
      acceptedNames: filled,
      conditions: [
        accepted("NamesAccepted", "NoConflicts", "no conflicts found"),
        accepted("Established", "InitialNamesAccepted", "the initial names have been accepted"),
      ],
      storedVersions: stored.flatMap((version) => textAt(version, "name") ?? []),
    },
  };
}

export function crdErrors(crd: ApiObject): readonly FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ["group", "scope"]) {
    if (!textAt(crd, "spec", field)) errors.push(required(`spec.${field}`));
  }
  for (const field of ["kind", "plural"]) {
    if (!textAt(crd, "spec", "names", field)) errors.push(required(`spec.names.${field}`));
  }
  const wanted = `${textAt(crd, "spec", "names", "plural")}.${textAt(crd, "spec", "group")}`;
  if (errors.length === 0 && crd.metadata.name !== wanted) {
    const message = `Invalid value: "${crd.metadata.name}": must be spec.names.plural+"."+spec.group`;
    errors.push({ field: "metadata.name", reason: "FieldValueInvalid", message });
  }
  if (listAt(crd, "spec", "versions").filter((version) => at(version, "storage") === true).length !== 1) {
    const message = "Invalid value: must have exactly one version marked as storage version";
    errors.push({ field: "spec.versions", reason: "FieldValueInvalid", message });
  }
  return errors;
}

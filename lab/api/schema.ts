import { isList, isObject, type Json, type JsonObject } from "./json.ts";
import type { FieldError } from "./refusal.ts";

/** A structural schema as a CustomResourceDefinition holds it (openAPIV3Schema), as far as it is looked at here. */
export interface Schema extends JsonObject {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly Json[];
  readonly default?: Json;
  readonly nullable?: boolean;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-list-type"?: string;
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
}

/** Part of every object whatever its schema says. */
const OBJECT_FIELDS: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

/** The schema of the field a path of names leads to, through lists and maps. */
export function schemaAt(schema: Schema, path: readonly string[]): Schema | undefined {
  let here: Schema | undefined = schema;
  for (const field of path) {
    while (here?.items !== undefined) here = here.items;
    here = here === undefined ? undefined : fieldSchema(here, field);
  }
  return here;
}

function fieldSchema(schema: Schema, field: string): Schema | undefined {
  const named = schema.properties?.[field];
  if (named !== undefined) return named;
  return typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
}

/** `value` with the defaults of the schema filled in. Applies to what is there: an absent object stays absent. */
export function withDefaults(schema: Schema, value: Json): Json {
  if (isList(value)) {
    const { items } = schema;
    return items === undefined ? value : value.map((item) => withDefaults(items, item));
  }
  if (!isObject(value)) return value;
  const result: Record<string, Json | undefined> = { ...value };
  for (const [field, inner] of Object.entries(schema.properties ?? {})) {
    const missing = result[field] === undefined || (result[field] === null && inner.nullable !== true);
    if (missing && inner.default !== undefined) result[field] = inner.default;
  }
  for (const [field, part] of Object.entries(result)) {
    const inner = fieldSchema(schema, field);
    if (inner !== undefined && part !== undefined) result[field] = withDefaults(inner, part);
  }
  return result;
}

/** `value` without the fields the schema does not know, and the paths of those. */
export function withoutUnknown(schema: Schema, value: Json): { readonly value: Json; readonly unknown: string[] } {
  const unknown: string[] = [];
  const prune = (inner: Schema, part: Json, path: string, isRoot: boolean): Json => {
    if (isList(part)) {
      const { items } = inner;
      return items === undefined ? part : part.map((item, i) => prune(items, item, `${path}[${i}]`, false));
    }
    if (!isObject(part)) return part;
    const result: Record<string, Json | undefined> = {};
    for (const [field, child] of Object.entries(part)) {
      const where = path === "" ? field : `${path}.${field}`;
      const known = fieldSchema(inner, field);
      if (isRoot && OBJECT_FIELDS.has(field)) result[field] = child;
      else if (known !== undefined && child !== undefined) result[field] = prune(known, child, where, false);
      else if (keepsUnknown(inner)) result[field] = child;
      else unknown.push(where);
    }
    return result;
  };
  return { value: prune(schema, value, "", true), unknown };
}

function keepsUnknown(schema: Schema): boolean {
  return schema["x-kubernetes-preserve-unknown-fields"] === true || schema.additionalProperties === true;
}

/** What in `value` breaks the schema, worded as the real API words it. */
export function schemaErrors(schema: Schema, value: Json, path = ""): readonly FieldError[] {
  if (value === null && schema.nullable === true) return [];
  const typeError = wrongType(schema, value);
  if (typeError !== undefined) {
    return [{ field: path, reason: "FieldValueTypeInvalid", message: `Invalid value: ${shown(value)}: ${typeError}` }];
  }
  return [
    ...valueErrors(schema, value).map(
      (why): FieldError => ({
        field: path,
        reason: "FieldValueInvalid",
        message: `Invalid value: ${shown(value)}: ${why}`,
      }),
    ),
    ...enumErrors(schema, value, path),
    ...combinationErrors(schema, value, path),
    ...partErrors(schema, value, path),
  ];
}

function partErrors(schema: Schema, value: Json, path: string): readonly FieldError[] {
  if (isList(value)) {
    const { items } = schema;
    const inner = items === undefined ? [] : value.flatMap((item, i) => schemaErrors(items, item, `${path}[${i}]`));
    return [...inner, ...duplicateErrors(schema, value, path)];
  }
  if (!isObject(value)) return [];
  const place = (field: string) => (path === "" ? field : `${path}.${field}`);
  const missing = (schema.required ?? []).filter((field) => value[field] === undefined);
  return [
    ...missing.map(
      (field): FieldError => ({ field: place(field), reason: "FieldValueRequired", message: "Required value" }),
    ),
    ...Object.entries(value).flatMap(([field, part]) => {
      if (path === "" && OBJECT_FIELDS.has(field)) return [];
      const inner = fieldSchema(schema, field);
      return inner === undefined || part === undefined ? [] : schemaErrors(inner, part, place(field));
    }),
  ];
}

/** List maps and sets hold every element once. */
function duplicateErrors(schema: Schema, list: readonly Json[], path: string): readonly FieldError[] {
  const keys = schema["x-kubernetes-list-map-keys"];
  if (keys === undefined && schema["x-kubernetes-list-type"] !== "set") return [];
  const seen = new Set<string>();
  return list.flatMap((item, i): readonly FieldError[] => {
    const name = JSON.stringify(keys !== undefined && isObject(item) ? keys.map((key) => item[key]) : item);
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    return [{ field: `${path}[${i}]`, reason: "FieldValueDuplicate", message: `Duplicate value: ${shown(item)}` }];
  });
}

function enumErrors(schema: Schema, value: Json, path: string): readonly FieldError[] {
  if (schema.enum === undefined || schema.enum.includes(value)) return [];
  const supported = schema.enum.map(shown).join(", ");
  const message = `Unsupported value: ${shown(value)}: supported values: ${supported}`;
  return [{ field: path, reason: "FieldValueNotSupported", message }];
}

function combinationErrors(schema: Schema, value: Json, path: string): readonly FieldError[] {
  const passes = (option: Schema) => schemaErrors(option, value, path).length === 0;
  const wrong = (why: string): FieldError => ({
    field: path,
    reason: "FieldValueInvalid",
    message: `Invalid value: ${shown(value)}: ${why}`,
  });
  const errors = (schema.allOf ?? []).flatMap((option) => schemaErrors(option, value, path));
  if (schema.anyOf !== undefined && !schema.anyOf.some(passes)) {
    errors.push(wrong("must validate at least one schema (anyOf)"));
  }
  if (schema.oneOf !== undefined && schema.oneOf.filter(passes).length !== 1) {
    errors.push(wrong("must validate one and only one schema (oneOf)"));
  }
  return errors;
}

function wrongType(schema: Schema, value: Json): string | undefined {
  if (schema["x-kubernetes-int-or-string"] === true) {
    return typeof value === "string" || Number.isInteger(value) ? undefined : "must be an integer or a string";
  }
  const { type } = schema;
  if (type === undefined) return undefined;
  const actual = typeOf(value);
  if (actual === type || (type === "number" && actual === "integer")) return undefined;
  return `must be of type ${type}: "${actual}"`;
}

function typeOf(value: Json): string {
  if (value === null) return "null";
  if (isList(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** What is wrong with the value by itself, ranges and patterns. */
function valueErrors(schema: Schema, value: Json): readonly string[] {
  if (typeof value === "number") return numberErrors(schema, value);
  const errors: string[] = [];
  if (typeof value === "string") {
    const { pattern, minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema;
    if (value.length < minLength) errors.push(`should be at least ${minLength} chars long`);
    if (value.length > maxLength) errors.push(`should be at most ${maxLength} chars long`);
    if (pattern !== undefined && !new RegExp(pattern, "u").test(value)) errors.push(`should match '${pattern}'`);
  }
  if (isList(value)) {
    const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
    if (value.length < minItems) errors.push(`should have at least ${minItems} items`);
    if (value.length > maxItems) errors.push(`must have at most ${maxItems} items`);
  }
  return errors;
}

function numberErrors(schema: Schema, value: number): readonly string[] {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
  const errors: string[] = [];
  if (schema.exclusiveMinimum === true ? value <= minimum : value < minimum) {
    errors.push(`should be greater than ${schema.exclusiveMinimum === true ? "" : "or equal to "}${minimum}`);
  }
  if (schema.exclusiveMaximum === true ? value >= maximum : value > maximum) {
    errors.push(`should be less than ${schema.exclusiveMaximum === true ? "" : "or equal to "}${maximum}`);
  }
  return errors;
}

function shown(value: Json): string {
  return isObject(value) ? '"object"' : JSON.stringify(value);
}

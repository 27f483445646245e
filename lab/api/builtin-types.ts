import { readFileSync } from "node:fs";
import { isList, isObject, type Json } from "./json.ts";

/** A field of a built-in type as Kubernetes' Go sources declare it. */
export interface Field {
  /** Its protobuf number. */
  readonly number: number;
  /** Its name in JSON; undefined when its own fields stand in its place there. */
  readonly name?: string;
  readonly shape: "one" | "list" | "map";
  /** A scalar (string, int, bool, double, bytes, time, quantity, intOrString, duration, raw) or a type of the table. */
  readonly type: string;
  /** A zero value is a value; for the other fields it means that the field is not set. */
  readonly optional: boolean;
}

export type BuiltinType = ReadonlyMap<number, Field>;

/** The types of builtin-types.txt by name, such as "core.ServiceSpec". Read once, on first use. */
export function builtinType(name: string): BuiltinType | undefined {
  types ??= readTypes();
  return types.get(name);
}

/** The name of the type of a kind: "core.Service". Undefined when the table does not hold it. */
export function typeNameOf(group: string, kind: string): string | undefined {
  const name = `${group === "" ? "core" : group.split(".")[0]}.${kind}`;
  return builtinType(name) === undefined ? undefined : name;
}

let types: ReadonlyMap<string, BuiltinType> | undefined;

function readTypes(): ReadonlyMap<string, BuiltinType> {
  const lines = readFileSync(new URL("builtin-types.txt", import.meta.url), "utf8")
    .trim()
    .split("\n");
  return new Map(
    lines
      .filter((line) => !line.startsWith("#"))
      .map((line) => {
        const [name = "", ...fields] = line.split(" ");
        return [name, new Map(fields.map(parseField).map((field) => [field.number, field]))];
      }),
  );
}

function parseField(text: string): Field {
  const [, number, name, pointer, list, map, type = ""] = /^(\d+):([^:]+):(\*?)(\[\])?(\{\})?(.+)$/.exec(text) ?? [];
  return {
    number: Number(number),
    ...(name !== undefined && name !== "..." && { name }),
    shape: list !== undefined ? "list" : map !== undefined ? "map" : "one",
    type,
    optional: pointer === "*",
  };
}

/** The fields of a type by their JSON name, those of embedded types included; empty for a scalar. */
export function fieldsOf(typeName: string): ReadonlyMap<string, Field> {
  const fields = [...(builtinType(typeName)?.values() ?? [])];
  return new Map(
    fields.flatMap((field) => (field.name === undefined ? [...fieldsOf(field.type)] : [[field.name, field] as const])),
  );
}

/** The paths of the fields that a type does not have. apiVersion and kind at the top are always known. */
export function unknownFieldsOf(typeName: string, value: Json, path = ""): readonly string[] {
  const fields = fieldsOf(typeName);
  if (fields.size === 0 || !isObject(value)) return [];
  return Object.entries(value).flatMap(([name, part]) => {
    const where = path === "" ? name : `${path}.${name}`;
    if (path === "" && (name === "apiVersion" || name === "kind")) return [];
    const field = fields.get(name);
    if (field === undefined) return [where];
    return partsOf(field, part, where).flatMap(([place, item]) => unknownFieldsOf(field.type, item, place));
  });
}

function partsOf({ shape }: Field, value: Json | undefined, path: string): readonly (readonly [string, Json])[] {
  if (value === undefined) return [];
  if (shape === "list") return isList(value) ? value.map((item, i) => [`${path}[${i}]`, item] as const) : [];
  return shape === "one" ? [[path, value]] : [];
}

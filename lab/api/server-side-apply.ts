import { type ApiObject, isList, isObject, type Json, type JsonObject, without } from "./json.ts";
import { elementKey, type ListMergeOf } from "./list-keys.ts";

/** Fields of an object as FieldsV1 writes them: f:field, k:{keys}, v:value; {} is a leaf. */
export type Fields = JsonObject;

/** The part of metadata that a client may apply. */
const OWNED_METADATA: ReadonlySet<string> = new Set(["labels", "annotations", "finalizers", "ownerReferences"]);

/**
 * What `manager` applies, merged into the object: fields it applied before and left out now go, unless another manager
 * applied them too. There are no ownership conflicts: the last one to apply a value wins.
 * @param time RFC 3339, of the managedFields entry.
 */
export function applyFields(
  before: ApiObject | undefined,
  applied: ApiObject,
  manager: string,
  listMerge: ListMergeOf,
  time: string,
): ApiObject {
  const fields = fieldsOf(owned(applied), [], listMerge);
  const entries = managedEntries(before);
  const previous = entries.find((entry) => entry.manager === manager)?.fieldsV1;
  const others = entries.filter((entry) => entry.manager !== manager);
  const base: Json =
    before === undefined || !isObject(previous)
      ? (before ?? {})
      : dropped(before, previous, [fields, ...others.map((entry) => entry.fieldsV1)]);
  const merged = merge(base, applied, [], listMerge) as ApiObject;
  const entry = {
    manager,
    operation: "Apply",
    apiVersion: applied.apiVersion,
    time,
    fieldsType: "FieldsV1",
    fieldsV1: fields,
  };
  return { ...merged, metadata: { ...merged.metadata, managedFields: [...others, entry] } };
}

function managedEntries(object: ApiObject | undefined): readonly JsonObject[] {
  const entries = object?.metadata.managedFields;
  return isList(entries) ? entries.filter(isObject) : [];
}

function owned(applied: ApiObject): JsonObject {
  const { apiVersion: _version, kind: _kind, metadata, ...rest } = applied;
  const kept = Object.entries(metadata).filter(([field]) => OWNED_METADATA.has(field));
  return kept.length === 0 ? rest : { metadata: Object.fromEntries(kept), ...rest };
}

function fieldsOf(value: Json, path: readonly string[], listMerge: ListMergeOf): Fields {
  if (isObject(value)) {
    const set = Object.entries(value).filter(([, part]) => part !== undefined);
    return Object.fromEntries(set.map(([field, part]) => [`f:${field}`, fieldsOf(part!, [...path, field], listMerge)]));
  }
  const rule = isList(value) ? listMerge(path) : undefined;
  if (rule === undefined || !isList(value)) return {};
  if (rule.kind === "set") return Object.fromEntries(value.map((item) => [`v:${JSON.stringify(item)}`, {}]));
  return Object.fromEntries(
    value.filter(isObject).map((item) => {
      const keys = Object.fromEntries(rule.keys.map((key) => [key, item[key] ?? (key === "protocol" ? "TCP" : null)]));
      return [`k:${JSON.stringify(keys)}`, { ".": {}, ...fieldsOf(item, path, listMerge) }];
    }),
  );
}

/** `value` without the fields in `gone` that none of `kept` holds. */
function dropped(value: Json, gone: Fields, kept: readonly (Json | undefined)[]): Json {
  const keptAt = (step: string) => kept.map((fields) => (isObject(fields) ? fields[step] : undefined));
  let result = value;
  for (const [step, inner] of Object.entries(gone)) {
    if (step === "." || !isObject(inner)) continue;
    const holders = keptAt(step).filter((fields) => fields !== undefined);
    const leaf = Object.keys(inner).every((part) => part === ".");
    const target = stepInto(result, step);
    if (target === undefined || (leaf && holders.length > 0)) continue;
    const isElement = step.startsWith("k:") || step.startsWith("v:");
    if (holders.length === 0 && (leaf || isElement)) result = replaceStep(result, step, undefined);
    else {
      const rest = dropped(target, inner, holders);
      result = replaceStep(result, step, holders.length === 0 && isEmpty(rest) ? undefined : rest);
    }
  }
  return result;
}

function isEmpty(value: Json): boolean {
  return isList(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
}

function stepInto(value: Json, step: string): Json | undefined {
  if (step.startsWith("f:")) return isObject(value) ? value[step.slice(2)] : undefined;
  return isList(value) ? value.find((item) => isStep(item, step)) : undefined;
}

function isStep(item: Json, step: string): boolean {
  const wanted = JSON.parse(step.slice(2)) as Json;
  if (step.startsWith("v:")) return item === wanted;
  if (!isObject(item) || !isObject(wanted)) return false;
  return elementKey(item, Object.keys(wanted)) === elementKey(wanted, Object.keys(wanted));
}

/** `value` with the part that `step` names replaced, or taken out when `part` is undefined. */
function replaceStep(value: Json, step: string, part: Json | undefined): Json {
  if (isObject(value) && step.startsWith("f:")) {
    const field = step.slice(2);
    return part === undefined ? without(value, field) : { ...value, [field]: part };
  }
  if (!isList(value)) return value;
  return value.flatMap((item) => (!isStep(item, step) ? [item] : part === undefined ? [] : [part]));
}

function merge(current: Json | undefined, applied: Json, path: readonly string[], listMerge: ListMergeOf): Json {
  if (isObject(applied)) {
    const result: Record<string, Json | undefined> = isObject(current) ? { ...current } : {};
    for (const [field, value] of Object.entries(applied)) {
      if (value !== undefined) result[field] = merge(result[field], value, [...path, field], listMerge);
    }
    return result;
  }
  const rule = isList(applied) ? listMerge(path) : undefined;
  if (rule === undefined || !isList(applied) || !isList(current)) return applied;
  if (rule.kind === "set") return [...current, ...applied.filter((item) => !current.includes(item))];
  const result = [...current];
  for (const item of applied.filter(isObject)) {
    const key = elementKey(item, rule.keys);
    const index = result.findIndex((element) => isObject(element) && elementKey(element, rule.keys) === key);
    if (index < 0) result.push(item);
    else result[index] = merge(result[index], item, path, listMerge);
  }
  return result;
}

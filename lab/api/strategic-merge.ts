import { isList, isObject, type Json, type JsonObject, sameJson } from "./json.ts";
import { builtinListMerge } from "./list-keys.ts";
import { badRequest } from "./refusal.ts";

const ORDER = "$setElementOrder/";
const DELETE_VALUES = "$deleteFromPrimitiveList/";

/**
 * Strategic merge patch for the built-in kinds: like a merge patch, but lists with a merge key merge element by element.
 * Knows the directives $patch, $retainKeys, $setElementOrder and $deleteFromPrimitiveList.
 * @see k8s.io/apimachinery/pkg/util/strategicpatch
 */
export function strategicMerge(target: Json | undefined, patch: Json, path: readonly string[] = []): Json {
  if (!isObject(patch)) return patch;
  if (patch.$patch === "replace") return plain(patch);
  if (patch.$patch === "delete") return {};
  const result = retained(isObject(target) ? target : {}, patch.$retainKeys);
  for (const [field, value] of Object.entries(patch)) {
    if (field.startsWith("$")) continue;
    if (value === null || value === undefined) delete result[field];
    else if (isList(value)) result[field] = mergeList(result[field], value, [...path, field]);
    else result[field] = strategicMerge(result[field], value, [...path, field]);
  }
  applyListDirectives(result, patch, path);
  return result;
}

function retained(target: JsonObject, keep: Json | undefined): Record<string, Json | undefined> {
  if (!isList(keep)) return { ...target };
  return Object.fromEntries(Object.entries(target).filter(([field]) => keep.includes(field)));
}

function applyListDirectives(result: Record<string, Json | undefined>, patch: JsonObject, path: readonly string[]) {
  for (const [directive, value] of Object.entries(patch)) {
    if (!isList(value)) continue;
    if (directive.startsWith(DELETE_VALUES)) {
      const field = directive.slice(DELETE_VALUES.length);
      const list = result[field];
      if (isList(list)) result[field] = list.filter((item) => !value.some((gone) => sameJson(item, gone)));
    }
    if (directive.startsWith(ORDER)) {
      const field = directive.slice(ORDER.length);
      const list = result[field];
      if (isList(list)) result[field] = ordered(list, value, mergeKey([...path, field]));
    }
  }
}

function mergeList(target: Json | undefined, patch: readonly Json[], path: readonly string[]): readonly Json[] {
  const rule = builtinListMerge(path);
  const current = isList(target) ? target : [];
  if (patch.some((item) => isObject(item) && item.$patch === "replace")) {
    return patch.filter((item) => !(isObject(item) && "$patch" in item));
  }
  if (rule?.kind === "set") return [...current, ...patch.filter((item) => !current.includes(item))];
  if (rule === undefined || !patch.every(isObject)) return patch.map(plain);
  const key = rule.keys[0]!;
  const result = [...current];
  for (const item of patch) {
    if (item[key] === undefined) throw badRequest(`map: ${path.join(".")} does not contain declared merge key: ${key}`);
    const index = result.findIndex((element) => isObject(element) && sameJson(element[key], item[key]));
    if (item.$patch === "delete") {
      if (index >= 0) result.splice(index, 1);
    } else if (index >= 0) result[index] = strategicMerge(result[index], item, path);
    else result.push(plain(item));
  }
  return result;
}

function mergeKey(path: readonly string[]): string | undefined {
  const rule = builtinListMerge(path);
  return rule?.kind === "map" ? rule.keys[0] : undefined;
}

/** Puts the elements that `order` names into its order; all others keep their place. */
function ordered(list: readonly Json[], order: readonly Json[], key: string | undefined): readonly Json[] {
  const nameOf = (item: Json) => (key !== undefined && isObject(item) ? item[key] : item);
  const ranks = order.map(nameOf);
  const rankOf = (item: Json) => ranks.findIndex((name) => sameJson(name, nameOf(item)));
  const queue = list.filter((item) => rankOf(item) >= 0).sort((a, b) => rankOf(a) - rankOf(b));
  return list.map((item) => (rankOf(item) >= 0 ? queue.shift()! : item));
}

/** A patch taken as a value: without directives. */
function plain(patch: Json): Json {
  if (isList(patch)) return patch.filter((item) => !(isObject(item) && item.$patch === "delete")).map(plain);
  if (!isObject(patch)) return patch;
  const fields = Object.entries(patch).filter(([field, value]) => !field.startsWith("$") && value !== null);
  return Object.fromEntries(fields.map(([field, value]) => [field, value === undefined ? value : plain(value)]));
}

import { applyPatch, type Operation } from "rfc6902";
import { isObject, type Json } from "./json.ts";
import { badRequest, Refusal } from "./refusal.ts";

/** JSON merge patch: null deletes, objects merge, anything else replaces. RFC 7386 section 2. */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: Record<string, Json | undefined> = isObject(target) ? { ...target } : {};
  for (const [field, value] of Object.entries(patch)) {
    if (value === null || value === undefined) delete result[field];
    else result[field] = mergePatch(result[field], value);
  }
  return result;
}

/**
 * JSON patch, RFC 6902: every operation or none.
 * @throws {Refusal} 422 with the first operation that can't be applied, as the real API answers.
 */
export function jsonPatch(target: Json, patch: Json): Json {
  if (!Array.isArray(patch) || !patch.every((step) => isObject(step) && typeof step.op === "string")) {
    throw badRequest("a JSON patch is a list of objects with an op and a path");
  }
  const result = structuredClone(target);
  const failure = applyPatch(result, patch as Operation[]).find((error) => error !== null);
  if (failure !== undefined && failure !== null) {
    throw new Refusal(422, "Invalid", `the server rejected our request due to an error in our request: ${failure}`);
  }
  return result;
}

import { fakeClock } from "../../../../core/mod.ts";
import { Api } from "../../../../lab/api/api.ts";
import { builtinResources } from "../../../../lab/api/builtin.ts";
import type { ApiObject, JsonObject } from "../../../../lab/api/json.ts";
import { Refusal } from "../../../../lab/api/refusal.ts";
import { Registry } from "../../../../lab/api/registry.ts";
import type { ApiResource } from "../../../../lab/api/resource.ts";
import { ServiceRanges } from "../../../../lab/api/service-ranges.ts";
import { ApiStore } from "../../../../lab/api/store.ts";

export const DUAL_STACK = ["10.96.0.0/16", "fd00:10:96::/112"];

/** An API with the namespace `default` and nothing else, without HTTP; its clock stands still. */
export function bareApi(cidrs: readonly string[] = DUAL_STACK): Api {
  const store = new ApiStore();
  const ranges = new ServiceRanges(store, cidrs);
  const api = new Api(store, new Registry(builtinResources(ranges), store), fakeClock(Date.UTC(2026, 0, 1)));
  create(api, "namespaces", { metadata: { name: "default" } });
  return api;
}

/** The resource of a "plural" or "plural.group", in its stored version. */
export function kindOf(api: Api, storage: string): ApiResource {
  const resource = api.registry.ofStorage(storage);
  if (resource === undefined) throw new Error(`no ${storage}`);
  return resource;
}

export function create(api: Api, storage: string, object: JsonObject, namespace = "default"): ApiObject {
  return api.create(kindOf(api, storage), namespace, object).object;
}

export function targetOf(api: Api, storage: string, name: string, namespace = "default") {
  const resource = kindOf(api, storage);
  return { resource, namespace: resource.namespaced ? namespace : "", name };
}

/** The refusal that `call` ends with. */
export function refusal(call: () => unknown): Refusal {
  try {
    call();
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

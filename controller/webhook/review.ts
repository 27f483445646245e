import { CONFIG_KINDS, CONFIG_LISTS, type ConfigObjects, type Problem, resolveConfig } from "../../config/mod.ts";
import { type KubeObject, objectKey } from "../../kube/mod.ts";

/** What the API server asks: admission.k8s.io/v1 AdmissionRequest, as far as it is looked at. */
export interface AdmissionRequest {
  readonly uid: string;
  readonly kind: { readonly kind: string };
  readonly operation: "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
  readonly namespace?: string;
  readonly name?: string;
  readonly object?: KubeObject | null;
}

export interface AdmissionResponse {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: {
    readonly code: number;
    readonly reason: string;
    readonly message: string;
    readonly details: { readonly causes: readonly { readonly field: string; readonly message: string }[] };
  };
  readonly warnings?: readonly string[];
}

/**
 * Refuses what would bring a mistake into the configuration, be it in the object itself or, because of it, in another; names
 * all of them at once. What is wrong already is no reason to refuse, and an object may name another that comes later. Pure.
 * @param now For an object that the server has not given its time yet: it is the youngest.
 */
export function review(request: AdmissionRequest, objects: ConfigObjects, now: Date): AdmissionResponse {
  const { uid, operation, kind } = request;
  const list = CONFIG_LISTS.find((each) => CONFIG_KINDS[each].kind === kind.kind);
  if (list === undefined) return { uid, allowed: true };
  const before = new Set(resolveConfig(objects).problems.map(({ message }) => message));
  const after = resolveConfig({ ...objects, [list]: changed(objects[list] ?? [], request, now) }).problems;
  const causes = after.filter((problem) => !before.has(problem.message) && counts(problem, operation));
  if (causes.length === 0) return { uid, allowed: true };
  const message = causes.map((problem) => problem.message).join(" ");
  const details = { causes: causes.map(({ field, message }) => ({ field, message })) };
  return { uid, allowed: false, status: { code: 422, reason: "Invalid", message, details } };
}

/** An object that waits for another is right; one that is left waiting by a deletion is a reason to keep the other. */
function counts(problem: Problem, operation: AdmissionRequest["operation"]): boolean {
  return operation === "DELETE" || problem.waits !== true;
}

function changed(objects: readonly KubeObject[], request: AdmissionRequest, now: Date): readonly KubeObject[] {
  const { operation, object, namespace = "", name = "" } = request;
  const key = objectKey(object ?? { metadata: { namespace, name } });
  const others = objects.filter((each) => objectKey(each) !== key);
  if (operation === "DELETE" || !object) return others;
  const metadata = { creationTimestamp: now.toISOString(), ...object.metadata };
  return [...others, { ...object, metadata }];
}

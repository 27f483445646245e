import {
  CONFIG_KINDS,
  CONFIG_LISTS,
  type ConfigObjects,
  type Problem,
  type Remark,
  resolveConfig,
} from "../../config/mod.ts";
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
 * When an object that is being created was made, as far as its place among the others goes. The server's own time of it has
 * whole seconds, so that it may seem as old as one that is there already, and then the names would decide which is wrong.
 */
const YOUNGEST = "9999-12-31T23:59:59Z";

/**
 * Refuses what would bring a mistake into the configuration, be it in the object itself or, because of it, in another; names
 * all of them at once. What is wrong already is no reason to refuse, and an object may name another that comes later. Pure.
 */
export function review(request: AdmissionRequest, objects: ConfigObjects): AdmissionResponse {
  const { uid, operation, kind } = request;
  const list = CONFIG_LISTS.find((each) => CONFIG_KINDS[each].kind === kind.kind);
  if (list === undefined) return { uid, allowed: true };
  const { problems, remarks } = resolveConfig(objects);
  const before = new Set([...problems, ...remarks].map(({ message }) => message));
  const isNew = ({ message }: Remark) => !before.has(message);
  const after = resolveConfig({ ...objects, [list]: changed(objects[list] ?? [], request) });
  const causes = after.problems.filter((problem) => isNew(problem) && counts(problem, operation));
  if (causes.length === 0) {
    const warnings = after.remarks.filter(isNew).map(({ message }) => message);
    return { uid, allowed: true, ...(warnings.length === 0 ? {} : { warnings }) };
  }
  const message = causes.map((problem) => problem.message).join(" ");
  const details = { causes: causes.map(({ field, message }) => ({ field, message })) };
  return { uid, allowed: false, status: { code: 422, reason: "Invalid", message, details } };
}

/** An object that waits for another is right; one that is left waiting by a deletion is a reason to keep the other. */
function counts(problem: Problem, operation: AdmissionRequest["operation"]): boolean {
  return operation === "DELETE" || problem.waits !== true;
}

function changed(objects: readonly KubeObject[], request: AdmissionRequest): readonly KubeObject[] {
  const { operation, object, namespace = "", name = "" } = request;
  const key = objectKey(object ?? { metadata: { namespace, name } });
  const others = objects.filter((each) => objectKey(each) !== key);
  if (operation === "DELETE" || !object) return others;
  if (operation !== "CREATE") return [...others, object];
  return [...others, { ...object, metadata: { ...object.metadata, creationTimestamp: YOUNGEST } }];
}

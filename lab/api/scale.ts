import { type ApiObject, isObject, type Json, numberAt, objectAt } from "./json.ts";
import { badRequest } from "./refusal.ts";
import { labelSelectorText } from "./workload-columns.ts";

/** The Scale of a workload: its number of Pods wanted and there, and which they are. */
export function scaleOf(workload: ApiObject): ApiObject {
  const { name, namespace = "", uid = "", resourceVersion = "", creationTimestamp = "" } = workload.metadata;
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: numberAt(workload, "spec", "replicas") ?? 0 },
    status: {
      replicas: numberAt(workload, "status", "replicas") ?? 0,
      selector: labelSelectorText(objectAt(workload, "spec", "selector")),
    },
  };
}

/** The workload as a Scale wants it. */
export function withScale(workload: ApiObject, scale: Json): ApiObject {
  const replicas = numberAt(scale, "spec", "replicas") ?? 0;
  if (!Number.isInteger(replicas) || replicas < 0) throw badRequest(`spec.replicas: ${replicas} must not be negative`);
  const resourceVersion = isObject(scale) ? objectAt(scale, "metadata").resourceVersion : undefined;
  const metadata =
    typeof resourceVersion === "string" && resourceVersion !== ""
      ? { ...workload.metadata, resourceVersion }
      : workload.metadata;
  return { ...workload, metadata, spec: { ...objectAt(workload, "spec"), replicas } };
}

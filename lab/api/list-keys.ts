import { type Schema, schemaAt } from "./schema.ts";

/**
 * How a list merges: element by element with the fields that name an element, as a set of plain values, or, when
 * undefined, only as a whole.
 */
export type ListMerge = { readonly kind: "map"; readonly keys: readonly string[] } | { readonly kind: "set" };

/** How the list at a path of field names merges; elements do not show in the path. */
export type ListMergeOf = (path: readonly string[]) => ListMerge | undefined;

/** x-kubernetes-list-map-keys of the built-in types; the first key is their patchMergeKey. From k8s.io/api, by field. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  conditions: ["type"],
  containers: ["name"],
  env: ["name"],
  ephemeralContainers: ["name"],
  hostAliases: ["ip"],
  imagePullSecrets: ["name"],
  initContainers: ["name"],
  matchConditions: ["name"],
  ownerReferences: ["uid"],
  podIPs: ["ip"],
  resourceClaims: ["name"],
  secrets: ["name"],
  taints: ["key"],
  topologySpreadConstraints: ["topologyKey", "whenUnsatisfiable"],
  volumeDevices: ["devicePath"],
  volumeMounts: ["mountPath"],
  volumes: ["name"],
  webhooks: ["name"],
};

const SETS: ReadonlySet<string> = new Set(["finalizers", "podCIDRs"]);

/** The merge rules of the built-in kinds. */
export const builtinListMerge: ListMergeOf = (path) => {
  const field = path.at(-1) ?? "";
  const parent = path.at(-2);
  if (SETS.has(field)) return { kind: "set" };
  if (field === "ports") {
    if (parent === "containers" || parent === "initContainers") return map(["containerPort", "protocol"]);
    return path.length === 2 && parent === "spec" ? map(["port", "protocol"]) : undefined;
  }
  if (field === "addresses") return path.length === 2 && parent === "status" ? map(["type"]) : undefined;
  const keys = KEYS[field];
  return keys === undefined ? undefined : map(keys);
};

/** The merge rules a custom resource's schema gives. */
export function schemaListMerge(schema: Schema): ListMergeOf {
  return (path) => {
    if (path[0] === "metadata") return builtinListMerge(path);
    const list = schemaAt(schema, path);
    if (list?.["x-kubernetes-list-type"] === "set") return { kind: "set" };
    const keys = list?.["x-kubernetes-list-map-keys"];
    return keys === undefined ? undefined : map(keys);
  };
}

/** Where one element of a map list is found: its keys with their values. */
export function elementKey(element: Readonly<Record<string, unknown>>, keys: readonly string[]): string {
  // A port without protocol is a TCP port, also when it is looked up.
  return JSON.stringify(keys.map((key) => element[key] ?? (key === "protocol" ? "TCP" : null)));
}

function map(keys: readonly string[]): ListMerge {
  return { kind: "map", keys };
}

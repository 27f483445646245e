import type { ObjectName, Selectors } from "./client.ts";
import type { KubeObject, Resource } from "./object.ts";

/** The path of all objects of a kind, in one namespace or in all. */
export function listPath<T extends KubeObject>(resource: Resource<T>, namespace?: string): string {
  const { group, version, plural, namespaced } = resource;
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  return namespaced && namespace !== undefined
    ? `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}`
    : `${root}/${plural}`;
}

/** The path of one object, or of its status. The namespace of a namespaced object is "default" unless given. */
export function objectPath<T extends KubeObject>(
  resource: Resource<T>,
  name: ObjectName,
  subresource?: "status",
): string {
  const path = `${listPath(resource, name.namespace ?? "default")}/${encodeURIComponent(name.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** "?a=1&b=2"; settings without a value are left out. */
export function query(settings: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(settings).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${encodeURIComponent(value)}`],
  );
  return given.length === 0 ? "" : `?${given.join("&")}`;
}

/** The selectors as query settings. */
export function selection({ labelSelector, fieldSelector }: Selectors): Record<string, string | undefined> {
  return { labelSelector, fieldSelector };
}

/** A call in words, for errors: "patch services/status default/web". */
export function callName<T extends KubeObject>(
  verb: string,
  resource: Resource<T>,
  name: Partial<ObjectName>,
  subresource?: "status",
): string {
  const kind = subresource === undefined ? resource.plural : `${resource.plural}/${subresource}`;
  const object = [name.namespace, name.name].filter((part) => part !== undefined).join("/");
  return object === "" ? `${verb} ${kind}` : `${verb} ${kind} ${object}`;
}

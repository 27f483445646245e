import { IronbridgeError } from "../core/mod.ts";
import type { V1Pod, V1Service } from "../kube/mod.ts";
import type { V1ConfigMap, V1Container, V1Secret } from "./resource.ts";

/** The objects of the pod's namespace that its environment and its volumes are made from. */
export interface PodObjects {
  configMap(name: string): V1ConfigMap | undefined;
  secret(name: string): V1Secret | undefined;
  /** All Services of the namespace. */
  readonly services: readonly V1Service[];
}

/** What only the kubelet knows. */
export interface PodAddresses {
  readonly podIP: string;
  readonly hostIP: string;
}

/** PATH of the official images, nginx's among them. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * A container's environment: links to Services first, then envFrom, then env, each hiding what came before.
 * @throws {IronbridgeError} IB_CONFIG_INVALID when an object or a key that is not optional does not exist.
 */
export function containerEnv(
  pod: V1Pod,
  container: V1Container,
  objects: PodObjects,
  addresses: PodAddresses,
): Record<string, string> {
  const env: Record<string, string> = { PATH: DEFAULT_PATH, HOSTNAME: pod.metadata?.name ?? "" };
  if (pod.spec?.enableServiceLinks !== false) Object.assign(env, serviceLinks(objects.services));
  for (const source of container.envFrom ?? []) {
    const data = source.configMapRef
      ? configMapData(objects, source.configMapRef.name, source.configMapRef.optional)
      : source.secretRef
        ? secretData(objects, source.secretRef.name, source.secretRef.optional)
        : {};
    for (const [key, value] of Object.entries(data)) env[`${source.prefix ?? ""}${key}`] = value;
  }
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom
      ? valueFrom(pod, variable, objects, addresses)
      : expandVariables(variable.value ?? "", env);
    if (value !== undefined) env[variable.name] = value;
  }
  return env;
}

/** Replaces $(NAME) by its value; an unknown name stays as it is, and $$ is a dollar sign. */
export function expandVariables(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)]+)\)/g, (match, name: string | undefined) =>
    match === "$$" ? "$" : (env[name ?? ""] ?? match),
  );
}

/** WEB_SERVICE_HOST, WEB_SERVICE_PORT and the variables of Docker links, for each Service with an address. */
export function serviceLinks(services: readonly V1Service[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const service of services) {
    const address = service.spec?.clusterIP;
    const ports = service.spec?.ports ?? [];
    if (address === undefined || address === "" || address === "None" || ports.length === 0) continue;
    const prefix = (service.metadata?.name ?? "").toUpperCase().replaceAll("-", "_");
    const host = address.includes(":") ? `[${address}]` : address;
    const url = (port: { protocol?: string; port: number }) =>
      `${(port.protocol ?? "TCP").toLowerCase()}://${host}:${port.port}`;
    env[`${prefix}_SERVICE_HOST`] = address;
    env[`${prefix}_SERVICE_PORT`] = String(ports[0]!.port);
    env[`${prefix}_PORT`] = url(ports[0]!);
    for (const port of ports) {
      const protocol = port.protocol ?? "TCP";
      const link = `${prefix}_PORT_${port.port}_${protocol}`;
      if (port.name) env[`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll("-", "_")}`] = String(port.port);
      env[link] = url(port);
      env[`${link}_PROTO`] = protocol.toLowerCase();
      env[`${link}_PORT`] = String(port.port);
      env[`${link}_ADDR`] = address;
    }
  }
  return env;
}

export function configMapData(objects: PodObjects, name: string | undefined, optional = false): Record<string, string> {
  const map = objects.configMap(name ?? "");
  if (map !== undefined) return map.data ?? {};
  if (optional) return {};
  throw new IronbridgeError("IB_CONFIG_INVALID", `configmap "${name}" not found`);
}

/** Values as text: secrets that are not text can't be in an environment. */
function secretData(objects: PodObjects, name: string | undefined, optional = false): Record<string, string> {
  const secret = objects.secret(name ?? "");
  if (secret === undefined && !optional) throw new IronbridgeError("IB_CONFIG_INVALID", `secret "${name}" not found`);
  const decoded = Object.entries(secret?.data ?? {}).map(([key, value]) => [
    key,
    Buffer.from(value, "base64").toString(),
  ]);
  return Object.fromEntries(decoded);
}

function valueFrom(
  pod: V1Pod,
  variable: NonNullable<V1Container["env"]>[number],
  objects: PodObjects,
  addresses: PodAddresses,
): string | undefined {
  const { fieldRef, configMapKeyRef, secretKeyRef } = variable.valueFrom ?? {};
  if (fieldRef) return podField(pod, fieldRef.fieldPath, addresses);
  const ref = configMapKeyRef ?? secretKeyRef;
  if (ref === undefined) return undefined; // resourceFieldRef: containers of the lab have no limits
  const data = configMapKeyRef
    ? configMapData(objects, ref.name, ref.optional)
    : secretData(objects, ref.name, ref.optional);
  const value = data[ref.key];
  if (value === undefined && ref.optional !== true) {
    throw new IronbridgeError("IB_CONFIG_INVALID", `env ${variable.name}: no key "${ref.key}" in "${ref.name}"`);
  }
  return value;
}

function podField(pod: V1Pod, path: string, { podIP, hostIP }: PodAddresses): string {
  const { metadata = {}, spec } = pod;
  const [, map, key] = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path) ?? [];
  if (map === "labels" || map === "annotations") return metadata[map]?.[key!] ?? "";
  const fields: Readonly<Record<string, string | undefined>> = {
    "metadata.name": metadata.name,
    "metadata.namespace": metadata.namespace,
    "metadata.uid": metadata.uid,
    "spec.nodeName": spec?.nodeName,
    "spec.serviceAccountName": spec?.serviceAccountName ?? "default",
    "status.podIP": podIP,
    "status.podIPs": podIP,
    "status.hostIP": hostIP,
    "status.hostIPs": hostIP,
  };
  if (!(path in fields)) throw new IronbridgeError("IB_CONFIG_INVALID", `fieldPath "${path}" is not a field of a pod`);
  return fields[path] ?? "";
}

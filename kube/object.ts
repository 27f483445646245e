import type {
  V1EndpointSlice as ClientEndpointSlice,
  CoreV1Event as ClientEvent,
  V1Namespace as ClientNamespace,
  V1Node as ClientNode,
  V1ObjectMeta as ClientObjectMeta,
  V1Pod as ClientPod,
  V1Secret as ClientSecret,
  V1Service as ClientService,
  V1ServiceCIDR as ClientServiceCIDR,
} from "@kubernetes/client-node";

/**
 * A type of @kubernetes/client-node as the JSON really is. The library's own serializer, which is not used here, turns
 * timestamps into Date and puts an underscore before field names that TypeScript once reserved.
 */
export type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? Wire<Item>[]
    : T extends object
      ? { [Key in keyof T as Key extends `_${infer Name}` ? Name : Key]: Wire<T[Key]> }
      : T;

export type V1ObjectMeta = Wire<ClientObjectMeta>;
export type V1Service = Wire<ClientService>;
export type V1ServiceCIDR = Wire<ClientServiceCIDR>;
export type V1EndpointSlice = Wire<ClientEndpointSlice>;
export type V1Node = Wire<ClientNode>;
export type V1Namespace = Wire<ClientNamespace>;
export type V1Pod = Wire<ClientPod>;
export type V1Secret = Wire<ClientSecret>;
export type CoreV1Event = Wire<ClientEvent>;

/** What every object of the API has. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: V1ObjectMeta;
}

/** Where objects of one kind live in the API; `T` is their type. */
export interface Resource<T extends KubeObject> {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Carries the type only; never set. */
  readonly type?: T;
}

export const SERVICES: Resource<V1Service> = core("Service", "services", true);
export const NODES: Resource<V1Node> = core("Node", "nodes", false);
export const NAMESPACES: Resource<V1Namespace> = core("Namespace", "namespaces", false);
export const PODS: Resource<V1Pod> = core("Pod", "pods", true);
export const SECRETS: Resource<V1Secret> = core("Secret", "secrets", true);
export const EVENTS: Resource<CoreV1Event> = core("Event", "events", true);
export const ENDPOINT_SLICES: Resource<V1EndpointSlice> = {
  group: "discovery.k8s.io",
  version: "v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
  namespaced: true,
};

/** Served since Kubernetes 1.33. */
export const SERVICE_CIDRS: Resource<V1ServiceCIDR> = {
  group: "networking.k8s.io",
  version: "v1",
  kind: "ServiceCIDR",
  plural: "servicecidrs",
  namespaced: false,
};

/** "namespace/name", or "name" for cluster-scoped objects: the key of an object in a store, a log and a map. */
export function objectKey(object: KubeObject): string {
  const { namespace, name = "" } = object.metadata ?? {};
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

/** "v1", or "group/version": what stands in the apiVersion of a resource's objects. */
export function apiVersionOf<T extends KubeObject>({ group, version }: Resource<T>): string {
  return group === "" ? version : `${group}/${version}`;
}

/** Who owns which field: often half of an object's size, and of no use here. The server keeps it when it isn't sent. */
export function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata?.managedFields === undefined) return object;
  const { managedFields, ...metadata } = object.metadata;
  return { ...object, metadata };
}

function core<T extends KubeObject>(kind: string, plural: string, namespaced: boolean): Resource<T> {
  return { group: "", version: "v1", kind, plural, namespaced };
}

import type {
  CoreV1Event,
  V1EndpointSlice,
  V1Namespace,
  V1Node,
  V1ObjectMeta,
  V1Pod,
  V1Service,
} from "@kubernetes/client-node";

/** What every object of the API has. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: V1ObjectMeta;
}

export type { CoreV1Event, V1EndpointSlice, V1Namespace, V1Node, V1ObjectMeta, V1Pod, V1Service };

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
export const EVENTS: Resource<CoreV1Event> = core("Event", "events", true);
export const ENDPOINT_SLICES: Resource<V1EndpointSlice> = {
  group: "discovery.k8s.io",
  version: "v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
  namespaced: true,
};

/** "namespace/name", or "name" for cluster-scoped objects: the key of an object in a store, a log and a map. */
export function objectKey(object: KubeObject): string {
  const { namespace, name = "" } = object.metadata ?? {};
  return namespace === undefined || namespace === "" ? name : `${namespace}/${name}`;
}

function core<T extends KubeObject>(kind: string, plural: string, namespaced: boolean): Resource<T> {
  return { group: "", version: "v1", kind, plural, namespaced };
}

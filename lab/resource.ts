import type {
  V1ConfigMap as ClientConfigMap,
  V1Deployment as ClientDeployment,
  V1ReplicaSet as ClientReplicaSet,
  V1Secret as ClientSecret,
} from "@kubernetes/client-node";
import type { KubeObject, Resource, V1EndpointSlice, V1Pod, V1Service, Wire } from "../kube/mod.ts";

export type V1ConfigMap = Wire<ClientConfigMap>;
export type V1Secret = Wire<ClientSecret>;
export type V1Deployment = Wire<ClientDeployment>;
export type V1ReplicaSet = Wire<ClientReplicaSet>;
export type V1Container = NonNullable<V1Pod["spec"]>["containers"][number];
export type V1Volume = NonNullable<NonNullable<V1Pod["spec"]>["volumes"]>[number];
export type V1Endpoint = NonNullable<V1EndpointSlice["endpoints"]>[number];
export type V1ServicePort = NonNullable<NonNullable<V1Service["spec"]>["ports"]>[number];

/** Kinds that only the lab's stand-ins for Kubernetes' own programs use. */
export const CONFIG_MAPS: Resource<V1ConfigMap> = resource("", "ConfigMap", "configmaps");
export const SECRETS: Resource<V1Secret> = resource("", "Secret", "secrets");
export const DEPLOYMENTS: Resource<V1Deployment> = resource("apps", "Deployment", "deployments");
export const REPLICA_SETS: Resource<V1ReplicaSet> = resource("apps", "ReplicaSet", "replicasets");

function resource<T extends KubeObject>(group: string, kind: string, plural: string): Resource<T> {
  return { group, version: "v1", kind, plural, namespaced: true };
}

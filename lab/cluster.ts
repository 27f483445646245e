import type { Log } from "../core/mod.ts";
import {
  createReporter,
  ENDPOINT_SLICES,
  type KubeClient,
  type KubeObject,
  NODES,
  objectKey,
  PODS,
  type Reporter,
  SERVICES,
  type Store,
  startInformer,
  type V1EndpointSlice,
  type V1Node,
  type V1Pod,
  type V1Service,
} from "../kube/mod.ts";
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  REPLICA_SETS,
  SECRETS,
  type V1ConfigMap,
  type V1Deployment,
  type V1ReplicaSet,
  type V1Secret,
} from "./resource.ts";

/** The cluster as the lab's stand-ins for Kubernetes' own programs see it: one set of watches for all of them. */
export interface Cluster {
  readonly client: KubeClient;
  readonly reporter: Reporter;
  readonly log: Log;
  /** Index "node": by spec.nodeName. Index "owner": by the uid of the controlling owner. Index "namespace". */
  readonly pods: Store<V1Pod>;
  readonly nodes: Store<V1Node>;
  /** Index "namespace". */
  readonly services: Store<V1Service>;
  /** Index "service": by namespace/name of the Service. */
  readonly slices: Store<V1EndpointSlice>;
  readonly deployments: Store<V1Deployment>;
  /** Index "owner". */
  readonly replicaSets: Store<V1ReplicaSet>;
  readonly configMaps: Store<V1ConfigMap>;
  readonly secrets: Store<V1Secret>;
}

/** Starts the watches; resolves when all stores hold the cluster. */
export async function watchCluster(client: KubeClient, log: Log, signal: AbortSignal): Promise<Cluster> {
  const options = { log };
  const cluster: Cluster = {
    client,
    reporter: createReporter(client, "ironbridge-lab", log),
    log,
    pods: startInformer(
      client,
      PODS,
      { log, indexes: { node: (pod) => [pod.spec?.nodeName ?? ""], owner: ownerUids, namespace: namespaces } },
      signal,
    ),
    nodes: startInformer(client, NODES, options, signal),
    services: startInformer(client, SERVICES, { log, indexes: { namespace: namespaces } }, signal),
    slices: startInformer(client, ENDPOINT_SLICES, { log, indexes: { service: serviceKeys } }, signal),
    deployments: startInformer(client, DEPLOYMENTS, options, signal),
    replicaSets: startInformer(client, REPLICA_SETS, { log, indexes: { owner: ownerUids } }, signal),
    configMaps: startInformer(client, CONFIG_MAPS, options, signal),
    secrets: startInformer(client, SECRETS, options, signal),
  };
  const { pods, nodes, services, slices, deployments, replicaSets, configMaps, secrets } = cluster;
  const stores = [pods, nodes, services, slices, deployments, replicaSets, configMaps, secrets];
  await Promise.all(stores.map((store) => store.whenSynced));
  return cluster;
}

/**
 * Resolves once `store` shows what was just written, or something newer. Without it the next decision would be made from
 * the past, and a ReplicaSet would start its pods twice. Gives up after `timeout` milliseconds, because the object may
 * have been deleted meanwhile: then the store is newer too.
 */
export async function whenSeen<T extends KubeObject>(
  store: Store<T>,
  key: string,
  seen: (object: T | undefined) => boolean,
  timeout = 2_000,
): Promise<void> {
  if (seen(store.get(key))) return;
  await new Promise<void>((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const timer = setTimeout(finish, timeout);
    const stop = store.subscribe((change) => {
      if (change.key === key && seen(change.after)) finish();
    });
  });
}

/** "namespace/name" of a name in the namespace of `object`. */
export function siblingKey(object: KubeObject, name: string): string {
  return `${object.metadata?.namespace}/${name}`;
}

/** The name of an object, for calls to the client. */
export function nameOf(object: KubeObject): { readonly name: string; readonly namespace?: string } {
  const { name = "", namespace } = object.metadata ?? {};
  return namespace === undefined ? { name } : { name, namespace };
}

/** An owner reference to `owner` as its controller. */
export function controlledBy(owner: KubeObject, apiVersion: string, kind: string) {
  const { name = "", uid = "" } = owner.metadata ?? {};
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

function ownerUids(object: KubeObject): string[] {
  return (object.metadata?.ownerReferences ?? []).filter(({ controller }) => controller).map(({ uid }) => uid);
}

function namespaces(object: KubeObject): string[] {
  return [object.metadata?.namespace ?? ""];
}

function serviceKeys(slice: V1EndpointSlice): string[] {
  const name = slice.metadata?.labels?.["kubernetes.io/service-name"];
  return name === undefined ? [] : [objectKey({ metadata: { ...slice.metadata, name } })];
}

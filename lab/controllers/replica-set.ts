import { objectKey, PODS, refusalStatus, type V1Pod } from "../../kube/mod.ts";
import { type Cluster, controlledBy, nameOf, whenSeen } from "../cluster.ts";
import { REPLICA_SETS, type V1ReplicaSet } from "../resource.ts";
import { type KeyedController, startKeyedController } from "./keyed-controller.ts";
import { isPodActive, isPodReady } from "./pod-facts.ts";
import { randomSuffix } from "./random-suffix.ts";

export interface ReplicaSetDecision {
  /** How many pods to make. */
  readonly create: number;
  readonly remove: readonly V1Pod[];
}

/** What brings a ReplicaSet to its size. Pods that do no work yet go first, then the youngest. Pure. */
export function decideReplicaSet(wanted: number, pods: readonly V1Pod[]): ReplicaSetDecision {
  const active = pods.filter(isPodActive);
  if (active.length <= wanted) return { create: wanted - active.length, remove: [] };
  const rank = (pod: V1Pod) => (pod.spec?.nodeName === undefined ? 0 : isPodReady(pod) ? 2 : 1);
  const age = (pod: V1Pod) => new Date(pod.metadata?.creationTimestamp ?? 0).getTime();
  const order = active.toSorted(
    (a, b) => rank(a) - rank(b) || age(b) - age(a) || objectKey(a).localeCompare(objectKey(b)),
  );
  return { create: 0, remove: order.slice(0, active.length - wanted) };
}

/** Keeps as many pods of every ReplicaSet as it asks for. */
export function startReplicaSetController(cluster: Cluster, signal: AbortSignal): KeyedController {
  const controller = startKeyedController("replica-set", (key) => syncReplicaSet(cluster, key), cluster.log, signal);
  cluster.replicaSets.subscribe(({ key }) => controller.mark(key));
  cluster.pods.subscribe(({ before, after }) => {
    const owner = (after ?? before)?.metadata?.ownerReferences?.find(({ kind }) => kind === "ReplicaSet");
    if (owner !== undefined) controller.mark(`${(after ?? before)?.metadata?.namespace}/${owner.name}`);
  });
  for (const set of cluster.replicaSets.list()) controller.mark(objectKey(set));
  return controller;
}

async function syncReplicaSet(cluster: Cluster, key: string): Promise<void> {
  const set = cluster.replicaSets.get(key);
  if (set === undefined || set.metadata?.deletionTimestamp !== undefined) return; // its pods go with it
  const pods = cluster.pods.byIndex("owner", set.metadata?.uid ?? "");
  const { create, remove } = decideReplicaSet(set.spec?.replicas ?? 1, pods);
  const made = Array.from({ length: create }, async () => {
    const pod = await cluster.client.create(PODS, podOf(set));
    cluster.reporter.event(REPLICA_SETS, set, {
      type: "Normal",
      reason: "SuccessfulCreate",
      message: `Created pod: ${pod.metadata?.name}`,
    });
    await whenSeen(cluster.pods, objectKey(pod), (seen) => seen !== undefined);
  });
  const removed = remove.map(async (pod) => {
    await cluster.client.delete(PODS, nameOf(pod));
    cluster.reporter.event(REPLICA_SETS, set, {
      type: "Normal",
      reason: "SuccessfulDelete",
      message: `Deleted pod: ${pod.metadata?.name}`,
    });
    await whenSeen(cluster.pods, objectKey(pod), (seen) => seen === undefined || !isPodActive(seen));
  });
  await Promise.all([...made, ...removed]);
  await writeStatus(cluster, set);
}

/** The pod a ReplicaSet makes from its template. */
export function podOf(set: V1ReplicaSet): V1Pod {
  const { metadata, spec } = set.spec?.template ?? {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...metadata,
      name: `${set.metadata?.name}-${randomSuffix()}`,
      namespace: set.metadata?.namespace ?? "",
      ownerReferences: [controlledBy(set, "apps/v1", "ReplicaSet")],
    },
    spec: spec ?? { containers: [] },
  };
}

async function writeStatus(cluster: Cluster, set: V1ReplicaSet): Promise<void> {
  const active = cluster.pods.byIndex("owner", set.metadata?.uid ?? "").filter(isPodActive);
  const ready = active.filter(isPodReady).length;
  const status = {
    replicas: active.length,
    fullyLabeledReplicas: active.length,
    readyReplicas: ready,
    availableReplicas: ready,
    observedGeneration: set.metadata?.generation ?? 0,
  };
  const before = set.status;
  if (
    before?.replicas === status.replicas &&
    before.readyReplicas === ready &&
    before.observedGeneration === status.observedGeneration
  ) {
    return;
  }
  try {
    await cluster.client.patch(REPLICA_SETS, nameOf(set), { kind: "merge", body: { status } }, "status");
  } catch (error) {
    if (refusalStatus(error) !== 404) throw error; // deleted meanwhile
  }
}

import { createHash } from "node:crypto";
import { objectKey, refusalStatus } from "../../kube/mod.ts";
import { type Cluster, controlledBy, nameOf, whenSeen } from "../cluster.ts";
import { DEPLOYMENTS, REPLICA_SETS, type V1Deployment, type V1ReplicaSet } from "../resource.ts";
import { type KeyedController, startKeyedController } from "./keyed-controller.ts";

const TEMPLATE_HASH_LABEL = "pod-template-hash";

/** The new size of one ReplicaSet. */
export interface Scale {
  readonly set: V1ReplicaSet;
  readonly replicas: number;
}

/** The sizes the ReplicaSets of a Deployment should have now. `current` is the one of today's template. Pure. */
export function decideRollout(
  deployment: V1Deployment,
  current: V1ReplicaSet,
  older: readonly V1ReplicaSet[],
): readonly Scale[] {
  const wanted = deployment.spec?.replicas ?? 1;
  const sizeOf = (set: V1ReplicaSet) => set.spec?.replicas ?? 0;
  const oldSize = older.reduce((sum, set) => sum + sizeOf(set), 0);
  const changes = (sets: readonly Scale[]) => sets.filter(({ set, replicas }) => sizeOf(set) !== replicas);
  if (deployment.spec?.strategy?.type === "Recreate") {
    const oldPods = older.reduce((sum, set) => sum + (set.status?.replicas ?? 0), 0);
    const emptied = older.map((set) => ({ set, replicas: 0 }));
    return changes([...emptied, { set: current, replicas: oldSize + oldPods > 0 ? sizeOf(current) : wanted }]);
  }
  const { maxSurge, maxUnavailable } = rollingLimits(deployment, wanted);
  const grown = Math.min(wanted, Math.max(sizeOf(current), wanted + maxSurge - oldSize));
  const available = [current, ...older].reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0);
  // Old pods that are not available serve nobody and go first; of the others, as many as may be missed.
  let spare = Math.max(0, available - (wanted - maxUnavailable));
  const shrunk = older.map((set) => {
    const broken = Math.max(0, sizeOf(set) - (set.status?.availableReplicas ?? 0));
    const keep = Math.max(0, sizeOf(set) - broken - spare);
    spare -= Math.min(spare, sizeOf(set) - broken);
    return { set, replicas: keep };
  });
  return changes([{ set: current, replicas: grown }, ...shrunk]);
}

/** A percentage of surge is rounded up, one of absence down; never both nothing. Defaults 25 %. */
function rollingLimits(deployment: V1Deployment, wanted: number): { maxSurge: number; maxUnavailable: number } {
  const { maxSurge = "25%", maxUnavailable = "25%" } = deployment.spec?.strategy?.rollingUpdate ?? {};
  const surge = share(maxSurge, wanted, Math.ceil);
  const absent = share(maxUnavailable, wanted, Math.floor);
  return { maxSurge: surge, maxUnavailable: surge + absent === 0 ? 1 : absent };
}

function share(value: string | number, of: number, round: (x: number) => number): number {
  return typeof value === "number" ? value : round((Number.parseFloat(value) / 100) * of);
}

/** The ReplicaSet of the Deployment's present template; its name follows from the template. */
export function replicaSetOf(deployment: V1Deployment, revision: number): V1ReplicaSet {
  const { name = "", namespace = "" } = deployment.metadata ?? {};
  const hash = templateHash(deployment);
  const labels = { ...deployment.spec?.template.metadata?.labels, [TEMPLATE_HASH_LABEL]: hash };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels,
      annotations: { "deployment.kubernetes.io/revision": String(revision) },
      ownerReferences: [controlledBy(deployment, "apps/v1", "Deployment")],
    },
    spec: {
      replicas: 0,
      selector: { matchLabels: { ...deployment.spec?.selector.matchLabels, [TEMPLATE_HASH_LABEL]: hash } },
      template: {
        ...deployment.spec?.template,
        metadata: { ...deployment.spec?.template.metadata, labels },
      },
    },
  };
}

/** Keeps the ReplicaSets of every Deployment. */
export function startDeploymentController(cluster: Cluster, signal: AbortSignal): KeyedController {
  const controller = startKeyedController("deployment", (key) => syncDeployment(cluster, key), cluster.log, signal);
  cluster.deployments.subscribe(({ key }) => controller.mark(key));
  cluster.replicaSets.subscribe(({ before, after }) => {
    const owner = (after ?? before)?.metadata?.ownerReferences?.find(({ kind }) => kind === "Deployment");
    if (owner !== undefined) controller.mark(`${(after ?? before)?.metadata?.namespace}/${owner.name}`);
  });
  for (const deployment of cluster.deployments.list()) controller.mark(objectKey(deployment));
  return controller;
}

async function syncDeployment(cluster: Cluster, key: string): Promise<void> {
  const deployment = cluster.deployments.get(key);
  if (deployment === undefined || deployment.metadata?.deletionTimestamp !== undefined) return;
  const owned = cluster.replicaSets.byIndex("owner", deployment.metadata?.uid ?? "");
  const name = `${deployment.metadata?.name}-${templateHash(deployment)}`;
  const current =
    owned.find((set) => set.metadata?.name === name) ?? (await createReplicaSet(cluster, deployment, owned));
  const older = owned.filter((set) => set.metadata?.name !== name);
  for (const { set, replicas } of decideRollout(deployment, current, older)) {
    await cluster.client.patch(REPLICA_SETS, nameOf(set), { kind: "merge", body: { spec: { replicas } } });
    await whenSeen(
      cluster.replicaSets,
      objectKey(set),
      (seen) => seen === undefined || seen.spec?.replicas === replicas,
    );
    cluster.reporter.event(DEPLOYMENTS, deployment, {
      type: "Normal",
      reason: "ScalingReplicaSet",
      message: `Scaled replica set ${set.metadata?.name} from ${set.spec?.replicas ?? 0} to ${replicas}`,
    });
  }
  await writeStatus(cluster, deployment, current, older);
}

async function createReplicaSet(
  cluster: Cluster,
  deployment: V1Deployment,
  owned: readonly V1ReplicaSet[],
): Promise<V1ReplicaSet> {
  const revisions = owned.map((set) => Number(set.metadata?.annotations?.["deployment.kubernetes.io/revision"] ?? 0));
  const set = await cluster.client.create(REPLICA_SETS, replicaSetOf(deployment, Math.max(0, ...revisions) + 1));
  await whenSeen(cluster.replicaSets, objectKey(set), (seen) => seen !== undefined);
  return set;
}

async function writeStatus(
  cluster: Cluster,
  deployment: V1Deployment,
  current: V1ReplicaSet,
  older: readonly V1ReplicaSet[],
): Promise<void> {
  const status = deploymentStatus(deployment, current, older);
  const { conditions: before = [], ...counts } = deployment.status ?? {};
  const { conditions, ...newCounts } = status;
  const sameConditions = conditions.every(({ type, status: value, reason }) =>
    before.some((old) => old.type === type && old.status === value && old.reason === reason),
  );
  const sameCounts = Object.entries(newCounts).every(([name, value]) => counts[name as keyof typeof counts] === value);
  if (sameConditions && sameCounts) return;
  try {
    await cluster.client.patch(DEPLOYMENTS, nameOf(deployment), { kind: "merge", body: { status } }, "status");
  } catch (error) {
    if (refusalStatus(error) !== 404) throw error; // deleted meanwhile
  }
}

/** What `kubectl rollout status` and `kubectl wait` read. */
function deploymentStatus(deployment: V1Deployment, current: V1ReplicaSet, older: readonly V1ReplicaSet[]) {
  const wanted = deployment.spec?.replicas ?? 1;
  const sum = (count: (set: V1ReplicaSet) => number | undefined) =>
    [current, ...older].reduce((total, set) => total + (count(set) ?? 0), 0);
  const replicas = sum((set) => set.status?.replicas);
  const available = sum((set) => set.status?.availableReplicas);
  const updated = current.status?.replicas ?? 0;
  const enough = available >= wanted - rollingLimits(deployment, wanted).maxUnavailable;
  const complete = updated === wanted && replicas === wanted && available === wanted;
  const now = new Date().toISOString();
  const condition = (type: string, holds: boolean, reason: string, message: string) => ({
    type,
    status: holds ? "True" : "False",
    reason,
    message,
    lastUpdateTime: now,
    lastTransitionTime: now,
  });
  return {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas,
    updatedReplicas: updated,
    readyReplicas: sum((set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, wanted - available),
    conditions: [
      enough
        ? condition("Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability.")
        : condition("Available", false, "MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
      complete
        ? condition(
            "Progressing",
            true,
            "NewReplicaSetAvailable",
            `ReplicaSet "${current.metadata?.name}" is complete.`,
          )
        : condition("Progressing", true, "ReplicaSetUpdated", `ReplicaSet "${current.metadata?.name}" is progressing.`),
    ],
  };
}

function templateHash(deployment: V1Deployment): string {
  return createHash("sha1").update(JSON.stringify(deployment.spec?.template)).digest("hex").slice(0, 10);
}

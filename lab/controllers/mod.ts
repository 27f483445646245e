import type { IpFamilies } from "../address-plan.ts";
import type { Cluster } from "../cluster.ts";
import { startDeploymentController } from "./deployment.ts";
import { startEndpointSliceController } from "./endpoint-slice.ts";
import { startNodeCidrController } from "./node-cidr.ts";
import { startReplicaSetController } from "./replica-set.ts";
import { startScheduler } from "./scheduler.ts";

export { decideRollout, replicaSetOf } from "./deployment.ts";
export { buildEndpointSlices } from "./endpoint-slice.ts";
export { assignPodCidrs } from "./node-cidr.ts";
export { isPodFinished, isPodReady } from "./pod-facts.ts";
export { decideReplicaSet } from "./replica-set.ts";
export { chooseNode, type Placement } from "./scheduler.ts";

/** Starts what kube-controller-manager and kube-scheduler are in a real cluster. Resolves when all have ended. */
export function startControllers(
  cluster: Cluster,
  signal: AbortSignal,
  families: IpFamilies = "ipv4",
): Promise<unknown> {
  const start = [startScheduler, startDeploymentController, startReplicaSetController, startEndpointSliceController];
  const nodeCidrs = startNodeCidrController(cluster, families, signal);
  return Promise.all([nodeCidrs, ...start.map((startOne) => startOne(cluster, signal))].map(({ done }) => done));
}

import { type KubeClient, NODES, objectKey, type Patch, type V1Node } from "../kube/mod.ts";

const TYPE = "NetworkUnavailable";

/**
 * What tells the cluster that pods on this node have a network; undefined when nobody says they have none. Cloud
 * providers' nodes begin so, with a taint that keeps pods away until the condition is false.
 */
export function clearingPatch(node: V1Node, now: Date): Patch | undefined {
  const conditions = node.status?.conditions ?? [];
  const index = conditions.findIndex(({ type, status }) => type === TYPE && status !== "False");
  if (index < 0) return undefined;
  const time = now.toISOString().replace(/\.\d+Z$/, "Z");
  const value = {
    type: TYPE,
    status: "False",
    reason: "IronbridgeIsReady",
    message: "Ironbridge gives pods of this node their network",
    lastHeartbeatTime: time,
    lastTransitionTime: time,
  };
  // Somebody may have changed the list meanwhile; then the API server refuses, and the next look tries again.
  const path = `/status/conditions/${index}`;
  return {
    kind: "json",
    body: [
      { op: "test", path: `${path}/type`, value: TYPE },
      { op: "replace", path, value },
    ],
  };
}

/** @throws {IronbridgeError} IB_API_UNREACHABLE, IB_API_REFUSED */
export async function clearUnavailable(client: Pick<KubeClient, "patch">, node: V1Node, now: Date): Promise<void> {
  const patch = clearingPatch(node, now);
  if (patch !== undefined) await client.patch(NODES, { name: objectKey(node) }, patch, "status");
}

import { objectKey, PODS, refusalStatus, type V1Node, type V1Pod } from "../../kube/mod.ts";
import { type Cluster, nameOf, whenSeen } from "../cluster.ts";
import { type KeyedController, startKeyedController } from "./keyed-controller.ts";
import { isPodFinished, matchesLabels } from "./pod-facts.ts";

export type Placement =
  | { readonly kind: "node"; readonly name: string }
  | { readonly kind: "none"; readonly why: string };

/**
 * The node for a pod: among those that take it, the one with the fewest pods of the same owner, then the fewest pods,
 * then the first by name. Resources are not looked at: containers of the lab have no limits. Pure.
 */
export function chooseNode(pod: V1Pod, nodes: readonly V1Node[], pods: readonly V1Pod[]): Placement {
  const refusals = nodes.map((node) => refusalOf(pod, node));
  const candidates = nodes.filter((_, i) => refusals[i] === undefined);
  if (candidates.length === 0) {
    const counts = Map.groupBy(refusals, (why) => why ?? "");
    const reasons = [...counts].map(([why, nodesWithIt]) => `${nodesWithIt.length} ${why}`).sort();
    return { kind: "none", why: `0/${nodes.length} nodes are available${reasons.map((why) => `, ${why}`).join("")}.` };
  }
  const placed = pods.filter((other) => other.spec?.nodeName !== undefined && !isPodFinished(other));
  const owner = ownerUid(pod);
  const load = (node: V1Node) => {
    const here = placed.filter((other) => other.spec?.nodeName === node.metadata?.name);
    return {
      siblings: here.filter((other) => owner !== undefined && ownerUid(other) === owner).length,
      all: here.length,
    };
  };
  const loads = new Map(candidates.map((node) => [node, load(node)]));
  const [best] = candidates.toSorted((a, b) => {
    const [x, y] = [loads.get(a)!, loads.get(b)!];
    return (
      x.siblings - y.siblings || x.all - y.all || objectKey(a).localeCompare(objectKey(b), "en", { numeric: true })
    );
  });
  return { kind: "node", name: best!.metadata?.name ?? "" };
}

/** Gives every pod a node. */
export function startScheduler(cluster: Cluster, signal: AbortSignal): KeyedController {
  // One pod after the other: where one goes decides where the next one should.
  const queue = startKeyedController("scheduler", () => scheduleAll(cluster), cluster.log, signal);
  const everything = "pods";
  cluster.pods.subscribe(({ after }) => {
    if (after !== undefined && after.spec?.nodeName === undefined) queue.mark(everything);
  });
  cluster.nodes.subscribe(() => queue.mark(everything));
  queue.mark(everything);
  return queue;
}

async function scheduleAll(cluster: Cluster): Promise<void> {
  const waiting = cluster.pods
    .byIndex("node", "")
    .filter((pod) => pod.metadata?.deletionTimestamp === undefined && !isPodFinished(pod));
  for (const pod of waiting) {
    const placement = chooseNode(pod, cluster.nodes.list(), cluster.pods.list());
    if (placement.kind === "node") await bind(cluster, pod, placement.name);
    else await reportUnschedulable(cluster, pod, placement.why);
  }
}

async function bind(cluster: Cluster, pod: V1Pod, nodeName: string): Promise<void> {
  try {
    await cluster.client.patch(PODS, nameOf(pod), { kind: "merge", body: { spec: { nodeName } } });
  } catch (error) {
    if (refusalStatus(error) !== 404) throw error; // deleted meanwhile
    return;
  }
  cluster.reporter.event(PODS, pod, {
    type: "Normal",
    reason: "Scheduled",
    message: `Successfully assigned ${objectKey(pod)} to ${nodeName}`,
  });
  await whenSeen(cluster.pods, objectKey(pod), (seen) => seen === undefined || seen.spec?.nodeName !== undefined);
}

async function reportUnschedulable(cluster: Cluster, pod: V1Pod, message: string): Promise<void> {
  const known = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (known?.status === "False" && known.message === message) return;
  cluster.reporter.event(PODS, pod, { type: "Warning", reason: "FailedScheduling", message });
  const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message };
  const body = { status: { phase: "Pending", conditions: [condition] } };
  await cluster.client.patch(PODS, nameOf(pod), { kind: "merge", body }, "status");
}

/** Why `node` can't take `pod`, in the words of Kubernetes' scheduler; undefined when it can. */
function refusalOf(pod: V1Pod, node: V1Node): string | undefined {
  const ready = node.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");
  if (ready !== true) return "node(s) were not ready";
  if (node.spec?.unschedulable === true) return "node(s) were unschedulable";
  const { nodeSelector = {} } = pod.spec ?? {};
  if (Object.keys(nodeSelector).length > 0 && !matchesLabels(nodeSelector, node.metadata?.labels)) {
    return "node(s) didn't match Pod's node affinity/selector";
  }
  return undefined;
}

function ownerUid(pod: V1Pod): string | undefined {
  return pod.metadata?.ownerReferences?.find(({ controller }) => controller)?.uid;
}

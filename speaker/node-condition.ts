import type { V1Node } from "../kube/mod.ts";

/** A node with this label, whatever its value, serves no load balancer. KEP-1143. */
const EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers";
/** Set by an administrator on a node that is surely off. KEP-2268. */
const OUT_OF_SERVICE = "node.kubernetes.io/out-of-service";

/** False when the control plane has not heard of the node's kubelet for a while, or the kubelet says it is not well. */
export function isReady({ status }: V1Node): boolean {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return ready === undefined || ready.status === "True";
}

/** The cloud or the network plugin says that the node has no network yet. */
export function lacksNetwork({ status }: V1Node): boolean {
  return status?.conditions?.some(({ type, status }) => type === "NetworkUnavailable" && status === "True") ?? false;
}

export function isOutOfService({ spec }: V1Node): boolean {
  return spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) ?? false;
}

export function isCordoned({ spec }: V1Node): boolean {
  return spec?.unschedulable === true;
}

export function isExcluded({ metadata }: V1Node): boolean {
  return Object.hasOwn(metadata?.labels ?? {}, EXCLUDE_LABEL);
}

/**
 * The nodes as the speaker heeds them. Where every node has the label that excludes it from load balancers, as on a
 * cluster of control plane nodes only, the label would leave nobody to announce anything, so it counts for nothing.
 */
export function heededNodes(nodes: readonly V1Node[]): readonly V1Node[] {
  if (!nodes.every(isExcluded)) return nodes;
  return nodes.map((node) => {
    const { [EXCLUDE_LABEL]: _, ...labels } = node.metadata?.labels ?? {};
    return { ...node, metadata: { ...node.metadata, labels } };
  });
}

import { type LabelSelector, type Labels, matchesAny } from "./selector.ts";

/** The labels of the nodes there are; undefined: not known. */
export type NodeLabels = readonly Labels[] | undefined;

/**
 * True when a node is chosen by both lists of selectors, of which an empty one chooses all. Without knowing the nodes,
 * only lists that are sure to meet count: equal ones, and those that choose all.
 */
export function mayShareNode(a: readonly LabelSelector[], b: readonly LabelSelector[], nodes: NodeLabels): boolean {
  const chosen = (selectors: readonly LabelSelector[], labels: Labels) =>
    selectors.length === 0 || matchesAny(selectors, labels);
  if (nodes !== undefined) return nodes.some((labels) => chosen(a, labels) && chosen(b, labels));
  return a.length === 0 || b.length === 0 || JSON.stringify(a) === JSON.stringify(b);
}

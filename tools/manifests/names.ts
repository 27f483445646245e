/** Where everything lives; the Helm chart takes the namespace of the release instead. */
export const NAMESPACE = "ironbridge-system";

/** The two programs in the cluster. */
export type Component = "agent" | "controller";

/** Name of a component's workload, service account and roles. */
export function nameOf(component: Component): string {
  return `ironbridge-${component}`;
}

/** Labels that find the pods of a component. They can't change once a workload exists. */
export function selectorOf(component: Component): Record<string, string> {
  return { "app.kubernetes.io/name": "ironbridge", "app.kubernetes.io/component": component };
}

/** Labels of what belongs to neither or both components. */
export const COMMON_LABELS: Readonly<Record<string, string>> = { "app.kubernetes.io/name": "ironbridge" };

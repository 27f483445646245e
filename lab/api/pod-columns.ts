import { type ApiObject, at, type Json, listAt, numberAt, textAt } from "./json.ts";
import { AGE_COLUMN, type Column, NAME_COLUMN, since } from "./table.ts";

export const POD_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  {
    name: "Ready",
    type: "string",
    cell: (pod) => `${readyContainers(pod)}/${listAt(pod, "spec", "containers").length}`,
  },
  { name: "Status", type: "string", cell: podStatus },
  { name: "Restarts", type: "string", cell: restarts },
  AGE_COLUMN,
  { name: "IP", type: "string", priority: 1, cell: (pod) => textAt(pod, "status", "podIP") ?? "<none>" },
  { name: "Node", type: "string", priority: 1, cell: (pod) => textAt(pod, "spec", "nodeName") ?? "<none>" },
  {
    name: "Nominated Node",
    type: "string",
    priority: 1,
    cell: (pod) => textAt(pod, "status", "nominatedNodeName") ?? "<none>",
  },
  { name: "Readiness Gates", type: "string", priority: 1, cell: readinessGates },
];

function containers(pod: ApiObject): readonly Json[] {
  return listAt(pod, "status", "containerStatuses");
}

function readyContainers(pod: ApiObject): number {
  return containers(pod).filter((container) => at(container, "ready") === true).length;
}

/** The phase, or what keeps the Pod from it: a container's reason, or Terminating. */
function podStatus(pod: ApiObject): string {
  if (pod.metadata.deletionTimestamp !== undefined) return "Terminating";
  const reasons = [...listAt(pod, "status", "initContainerStatuses"), ...containers(pod)].map(
    (container) =>
      textAt(container, "state", "waiting", "reason") ??
      (at(container, "ready") === true ? undefined : textAt(container, "state", "terminated", "reason")),
  );
  const reason = reasons.find((text) => text !== undefined && text !== "");
  return reason ?? textAt(pod, "status", "reason") ?? textAt(pod, "status", "phase") ?? "Unknown";
}

function restarts(pod: ApiObject, now: number): string {
  const count = containers(pod).reduce<number>((sum, one) => sum + (numberAt(one, "restartCount") ?? 0), 0);
  const ends = containers(pod).flatMap((one) => textAt(one, "lastState", "terminated", "finishedAt") ?? []);
  const last = ends.sort().at(-1);
  return count === 0 || last === undefined ? String(count) : `${count} (${since(last, now)} ago)`;
}

function readinessGates(pod: ApiObject): string {
  const gates = listAt(pod, "spec", "readinessGates");
  if (gates.length === 0) return "<none>";
  const met = gates.filter((gate) =>
    listAt(pod, "status", "conditions").some(
      (condition) => at(condition, "type") === at(gate, "conditionType") && at(condition, "status") === "True",
    ),
  );
  return `${met.length}/${gates.length}`;
}

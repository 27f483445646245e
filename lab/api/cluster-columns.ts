import { type ApiObject, at, type Json, listAt, numberAt, objectAt, textAt } from "./json.ts";
import { AGE_COLUMN, type Column, NAME_COLUMN, since, textColumn } from "./table.ts";

/** For kinds without columns of their own. */
export const DEFAULT_COLUMNS: readonly Column[] = [NAME_COLUMN, AGE_COLUMN];

export const CREATED_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  { name: "Created At", type: "date", cell: ({ metadata }) => metadata.creationTimestamp ?? "<unknown>" },
];

export const NAMESPACE_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  textColumn("Status", ["status", "phase"]),
  AGE_COLUMN,
];

export const CONFIG_MAP_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  {
    name: "Data",
    type: "integer",
    cell: (map) => Object.keys(objectAt(map, "data")).length + Object.keys(objectAt(map, "binaryData")).length,
  },
  AGE_COLUMN,
];

export const SECRET_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  textColumn("Type", ["type"]),
  { name: "Data", type: "integer", cell: (secret) => Object.keys(objectAt(secret, "data")).length },
  AGE_COLUMN,
];

export const SERVICE_ACCOUNT_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  { name: "Secrets", type: "integer", cell: (account) => listAt(account, "secrets").length },
  AGE_COLUMN,
];

export const LEASE_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  textColumn("Holder", ["spec", "holderIdentity"], ""),
  AGE_COLUMN,
];

export const ROLE_BINDING_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  {
    name: "Role",
    type: "string",
    cell: (binding) => `${textAt(binding, "roleRef", "kind")}/${textAt(binding, "roleRef", "name")}`,
  },
  AGE_COLUMN,
];

export const NODE_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  { name: "Status", type: "string", cell: nodeStatus },
  { name: "Roles", type: "string", cell: nodeRoles },
  AGE_COLUMN,
  textColumn("Version", ["status", "nodeInfo", "kubeletVersion"], ""),
  { name: "Internal-IP", type: "string", priority: 1, cell: (node) => nodeAddress(node, "InternalIP") },
  { name: "External-IP", type: "string", priority: 1, cell: (node) => nodeAddress(node, "ExternalIP") },
  textColumn("OS-Image", ["status", "nodeInfo", "osImage"], "<unknown>", 1),
  textColumn("Kernel-Version", ["status", "nodeInfo", "kernelVersion"], "<unknown>", 1),
  textColumn("Container-Runtime", ["status", "nodeInfo", "containerRuntimeVersion"], "<unknown>", 1),
];

function nodeStatus(node: ApiObject): string {
  const ready = listAt(node, "status", "conditions").find((condition) => at(condition, "type") === "Ready");
  const states = [ready === undefined ? "Unknown" : at(ready, "status") === "True" ? "Ready" : "NotReady"];
  if (at(node, "spec", "unschedulable") === true) states.push("SchedulingDisabled");
  return states.join(",");
}

function nodeRoles(node: ApiObject): string {
  const prefix = "node-role.kubernetes.io/";
  const roles = Object.keys(node.metadata.labels ?? {}).filter((label) => label.startsWith(prefix));
  return (
    roles
      .map((label) => label.slice(prefix.length))
      .sort()
      .join(",") || "<none>"
  );
}

function nodeAddress(node: ApiObject, type: string): string {
  const addresses = listAt(node, "status", "addresses");
  return (
    textAt(
      addresses.find((address) => at(address, "type") === type),
      "address",
    ) ?? "<none>"
  );
}

export const EVENT_COLUMNS: readonly Column[] = [
  { name: "Last Seen", type: "string", cell: (event, now) => since(lastSeen(event), now) },
  textColumn("Type", ["type"], ""),
  textColumn("Reason", ["reason"], ""),
  { name: "Object", type: "string", cell: (event) => eventSubject(event) },
  textColumn("Subobject", ["involvedObject", "fieldPath"], "", 1),
  { name: "Source", type: "string", priority: 1, cell: eventSource },
  { name: "Message", type: "string", cell: (event) => (textAt(event, "message") ?? "").trim() },
  { name: "First Seen", type: "string", priority: 1, cell: (event, now) => since(firstSeen(event), now) },
  { name: "Count", type: "string", priority: 1, cell: (event) => numberAt(event, "count") ?? 1 },
  { ...NAME_COLUMN, priority: 1 },
];

function lastSeen(event: ApiObject): string | undefined {
  return textAt(event, "series", "lastObservedTime") ?? textAt(event, "lastTimestamp") ?? firstSeen(event);
}

function firstSeen(event: ApiObject): string | undefined {
  return textAt(event, "firstTimestamp") ?? textAt(event, "eventTime") ?? event.metadata.creationTimestamp;
}

function eventSubject(event: ApiObject): string {
  const subject: Json = objectAt(event, "involvedObject");
  return `${(textAt(subject, "kind") ?? "").toLowerCase()}/${textAt(subject, "name") ?? ""}`;
}

function eventSource(event: ApiObject): string {
  const component = textAt(event, "source", "component") ?? textAt(event, "reportingComponent") ?? "";
  const host = textAt(event, "source", "host") ?? "";
  return host === "" ? component : `${component}, ${host}`;
}

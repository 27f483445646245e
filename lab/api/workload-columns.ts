import { type ApiObject, at, isList, type Json, listAt, numberAt, objectAt, textAt } from "./json.ts";
import { pairs } from "./network-columns.ts";
import { AGE_COLUMN, type Column, NAME_COLUMN } from "./table.ts";

function count(name: string, ...path: readonly string[]): Column {
  return { name, type: "integer", cell: (object) => numberAt(object, ...path) ?? 0 };
}

function ready(object: ApiObject): string {
  return `${numberAt(object, "status", "readyReplicas") ?? 0}/${numberAt(object, "spec", "replicas") ?? 0}`;
}

function fromContainers(field: string): (object: ApiObject) => string {
  return (object) =>
    listAt(object, "spec", "template", "spec", "containers")
      .map((container) => textAt(container, field) ?? "")
      .join(",");
}

const TEMPLATE: readonly Column[] = [
  { name: "Containers", type: "string", priority: 1, cell: fromContainers("name") },
  { name: "Images", type: "string", priority: 1, cell: fromContainers("image") },
];

const SELECTOR: Column = {
  name: "Selector",
  type: "string",
  priority: 1,
  cell: (object) => labelSelectorText(objectAt(object, "spec", "selector")),
};

/** A LabelSelector in the text form of a query. */
export function labelSelectorText(selector: Json): string {
  const equal = Object.keys(objectAt(selector, "matchLabels")).length > 0 ? [pairs(selector, "matchLabels")] : [];
  const expressions = listAt(selector, "matchExpressions").map((term) => {
    const key = textAt(term, "key") ?? "";
    const values = at(term, "values");
    const list = isList(values) ? ` (${values.join(",")})` : "";
    switch (textAt(term, "operator")) {
      case "Exists":
        return key;
      case "DoesNotExist":
        return `!${key}`;
      case "NotIn":
        return `${key} notin${list}`;
      default:
        return `${key} in${list}`;
    }
  });
  return [...equal, ...expressions].join(",") || "<none>";
}

export const DEPLOYMENT_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  { name: "Ready", type: "string", cell: ready },
  count("Up-to-date", "status", "updatedReplicas"),
  count("Available", "status", "availableReplicas"),
  AGE_COLUMN,
  ...TEMPLATE,
  SELECTOR,
];

export const REPLICA_SET_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  count("Desired", "spec", "replicas"),
  count("Current", "status", "replicas"),
  count("Ready", "status", "readyReplicas"),
  AGE_COLUMN,
  ...TEMPLATE,
  SELECTOR,
];

export const DAEMON_SET_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  count("Desired", "status", "desiredNumberScheduled"),
  count("Current", "status", "currentNumberScheduled"),
  count("Ready", "status", "numberReady"),
  count("Up-to-date", "status", "updatedNumberScheduled"),
  count("Available", "status", "numberAvailable"),
  {
    name: "Node Selector",
    type: "string",
    cell: (set) => pairs(set, "spec", "template", "spec", "nodeSelector"),
  },
  AGE_COLUMN,
  ...TEMPLATE,
  SELECTOR,
];

export const STATEFUL_SET_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  { name: "Ready", type: "string", cell: ready },
  AGE_COLUMN,
  ...TEMPLATE,
];

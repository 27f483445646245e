import { type ApiObject, type Json, type JsonObject, textAt } from "./json.ts";
import type { ApiResource } from "./resource.ts";
import type { Revision } from "./store.ts";

/** One column of `kubectl get`. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly description?: string;
  /** 1 shows with -o wide only. */
  readonly priority?: number;
  /** @param now Milliseconds of the wall clock, for ages. */
  readonly cell: (object: ApiObject, now: number) => Json;
}

export const NAME_COLUMN: Column = { name: "Name", type: "string", cell: ({ metadata }) => metadata.name };

export const AGE_COLUMN: Column = { name: "Age", type: "string", cell: (object, now) => age(object, now) };

/** Time since the object was made, as kubectl prints ages. */
export function age(object: ApiObject, now: number): string {
  return since(object.metadata.creationTimestamp, now);
}

/** Time since an RFC 3339 moment, "<unknown>" when there is none. */
export function since(time: string | undefined, now: number): string {
  return time === undefined ? "<unknown>" : duration((now - Date.parse(time)) / 1000);
}

/** A duration with at most two units, as k8s.io/apimachinery's HumanDuration prints it: 45s, 3m20s, 5h, 3d4h. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(s / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const pair = (big: number, unit: string, small: number, smallUnit: string) =>
    small === 0 ? `${big}${unit}` : `${big}${unit}${small}${smallUnit}`;
  if (s < 120) return `${s}s`;
  if (minutes < 10) return pair(minutes, "m", s % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return pair(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  if (days < 8) return pair(days, "d", hours % 24, "h");
  if (days < 730) return `${days}d`;
  return pair(Math.floor(days / 365), "y", days % 365, "d");
}

export type RowObject = "None" | "Metadata" | "Object";

/** The head of a Table answer: its column definitions. */
export function columnDefinitions(columns: readonly Column[]): readonly JsonObject[] {
  return columns.map(({ name, type, description = "", priority = 0 }) => ({
    name,
    type,
    format: name === "Name" ? "name" : "",
    description,
    priority,
  }));
}

/** One row as JSON. `Object` puts the whole object into it, for which the JSON made once is used. */
export function rowJson(revision: Revision, resource: ApiResource, rowObject: RowObject, now: number): string {
  const object = revision.as(resource);
  const cells = JSON.stringify(resource.columns.map((column) => column.cell(object, now)));
  return `{"cells":${cells},"object":${embedded(revision, resource, rowObject)}}`;
}

function embedded(revision: Revision, resource: ApiResource, rowObject: RowObject): string {
  switch (rowObject) {
    case "None":
      return "null";
    case "Object":
      return revision.json(resource);
    case "Metadata":
      return JSON.stringify({
        kind: "PartialObjectMetadata",
        apiVersion: "meta.k8s.io/v1",
        metadata: revision.object.metadata,
      });
  }
}

/** A column that shows the text at a path, or `otherwise`. */
export function textColumn(name: string, path: readonly string[], otherwise = "<none>", priority = 0): Column {
  return { name, type: "string", priority, cell: (object) => textAt(object, ...path) || otherwise };
}

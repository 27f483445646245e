import type { WatchEvent } from "./client.ts";
import { type KubeObject, withoutManagedFields } from "./object.ts";
import { refusedByEvent, unreachable } from "./refusal.ts";

/** Cuts a text that comes in pieces into its lines. Empty lines are skipped. */
export interface LineSplitter {
  /** Takes the next piece; gives the lines that are whole now. */
  push(text: string): string[];
  /** What came after the last newline. */
  readonly rest: string;
}

export function createLineSplitter(): LineSplitter {
  let rest = "";
  return {
    push(text) {
      // Only the new piece is searched: a line of megabytes comes in hundreds of pieces.
      if (!text.includes("\n")) {
        rest += text;
        return [];
      }
      const lines = text.split("\n");
      lines[0] = rest + lines[0];
      rest = lines.pop() ?? "";
      return lines.filter((line) => line.trim() !== "");
    },
    get rest() {
      return rest;
    },
  };
}

/** An event as the server writes it: one JSON object a line. */
interface WireEvent {
  readonly type?: string;
  readonly object?: KubeObject & { readonly code?: number; readonly reason?: string; readonly message?: string };
}

/**
 * Reads one line of a watch.
 * @throws {IronbridgeError} IB_API_REFUSED for an ERROR event, IB_API_UNREACHABLE for a line that is no event: what was
 * lost with it is unknown, so the watch must begin again.
 */
export function parseWatchLine<T extends KubeObject>(what: string, line: string): WatchEvent<T> {
  const { type, object } = parseEvent(what, line);
  if (object === undefined || object === null) throw unreadable(what, line);
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object: withoutManagedFields(object as T) };
    case "BOOKMARK":
      return { type, resourceVersion: object.metadata?.resourceVersion ?? "" };
    case "ERROR":
      throw refusedByEvent(what, object);
    default:
      throw unreadable(what, line);
  }
}

function parseEvent(what: string, line: string): WireEvent {
  try {
    return Object(JSON.parse(line));
  } catch (error) {
    throw unreadable(what, line, error);
  }
}

function unreadable(what: string, line: string, cause?: unknown) {
  return unreachable(what, `the server sent a line that is no watch event: ${line.slice(0, 80)}`, cause);
}

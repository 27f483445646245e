import { listOptions, type ObjectRequest } from "./object-handler.ts";
import { badRequest } from "./refusal.ts";
import { answerForm, queryNumber, rowObjectOf } from "./request.ts";
import type { StoreEvent } from "./store.ts";
import { type WatchForm, WatchStream } from "./watch-stream.ts";

/** Milliseconds between the bookmarks of a quiet watch. */
const BOOKMARK_INTERVAL = 15_000;
/** Seconds a watch lasts when the client does not say; real servers end them after 30 to 60 minutes. */
const DEFAULT_TIMEOUT_SECONDS = 1800;

/**
 * Serves one watch until its time is over, the client goes or `open` is emptied by someone who ends it.
 * @throws {Refusal} 400, 410 before anything is sent
 */
export function serveWatch(context: ObjectRequest, open: Set<() => void>): void {
  const { api, resource, query, request, response, clock, path } = context;
  const from = startOf(query);
  const form: WatchForm =
    answerForm(request) === "table" ? { kind: "table", rowObject: rowObjectOf(query) } : { kind: "json" };
  const wanted = path.name === undefined ? listOptions(context) : named(context, path.name);

  const early: StoreEvent[] = [];
  let deliver = (event: StoreEvent): void => void early.push(event);
  const start = from ?? api.store.version;
  const stop = api.watch(resource, { ...wanted, from: start }, (event) => deliver(event));
  const stream = new WatchStream(response, resource, form, clock);
  deliver = (event) => stream.send(event);
  if (from === undefined) {
    for (const after of api.list(resource, { ...wanted, limit: undefined }).items)
      stream.send({ type: "ADDED", after });
    if (query.get("sendInitialEvents") === "true") stream.bookmark(start, { "k8s.io/initial-events-end": "true" });
  }
  for (const event of early) stream.send(event);

  const bookmark = () => stream.bookmark(api.store.version);
  const marks = query.get("allowWatchBookmarks") === "true";
  const marking = marks ? setInterval(bookmark, BOOKMARK_INTERVAL) : undefined;
  const end = () => {
    if (!open.delete(end)) return;
    stop();
    clearInterval(marking);
    clearTimeout(timeout);
    stream.end();
  };
  const inTime = () => {
    if (marks) bookmark();
    end();
  };
  const timeout = setTimeout(inTime, 1000 * (queryNumber(query, "timeoutSeconds") || DEFAULT_TIMEOUT_SECONDS));
  open.add(end);
  response.on("close", end);
}

/** The version a watch starts after; undefined when it starts with what there is. */
function startOf(query: URLSearchParams): number | undefined {
  const text = query.get("resourceVersion") ?? "";
  if (query.get("sendInitialEvents") === "true" || text === "" || text === "0") return undefined;
  const version = Number(text);
  if (!Number.isSafeInteger(version) || version < 0) throw badRequest(`resourceVersion: "${text}" is not a version`);
  return version;
}

function named(context: ObjectRequest, name: string) {
  return { ...listOptions(context), fieldSelector: `metadata.name=${name}` };
}

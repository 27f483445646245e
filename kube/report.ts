import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { type Clock, explainError, hasCode, type Log, systemClock } from "../core/mod.ts";
import type { KubeClient } from "./client.ts";
import { apiVersionOf, type CoreV1Event, EVENTS, type KubeObject, objectKey, type Resource } from "./object.ts";
import { refusalStatus } from "./refusal.ts";

export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** PascalCase, MetalLB's word where one exists. */
  readonly reason: string;
  readonly message: string;
}

/** Tells people what happened to an object. Never throws and never blocks: events are best effort, failures are logged. */
export interface Reporter {
  /** The same note on the same object again only counts up. */
  event<T extends KubeObject>(resource: Resource<T>, object: T, note: EventNote): void;
  /** Resolves when everything reported so far has been sent or given up. */
  flush(): Promise<void>;
}

/** One Event object, and how often its note was reported. */
interface Entry {
  readonly event: CoreV1Event & { readonly metadata: { readonly name: string; readonly namespace: string } };
  count: number;
  last: Date;
  /** True once the API server has the Event: from then on only its count changes. */
  created: boolean;
}

/** Milliseconds for which a repeated note counts up the Event it made before. */
const REPEATED_WITHIN = 10 * 60_000;
/** Events remembered for counting up. */
const MOST_REMEMBERED = 2_000;
/** Events waiting to be sent; notes beyond that are lost. */
const MOST_WAITING = 1_000;
/** Milliseconds before each further attempt while the API server can't be reached. */
const ATTEMPTS = [0, 500, 2_000];
/** The API server refuses longer messages (ValidateEvent, core/validation/events.go). */
const LONGEST_MESSAGE = 1024;

/** @param component Shown as the event's source, for example "ironbridge-controller". */
export function createReporter(client: KubeClient, component: string, log: Log, clock: Clock = systemClock): Reporter {
  /** By object and note, the oldest first. */
  const remembered = new Map<string, Entry>();
  const waiting = new Set<Entry>();
  let sending: Promise<void> | undefined;
  let lost = 0;

  const entryFor = (key: string, make: () => Entry): Entry => {
    const known = remembered.get(key);
    const now = clock.date();
    remembered.delete(key);
    const fresh = known !== undefined && now.getTime() - known.last.getTime() < REPEATED_WITHIN;
    const entry = fresh ? known : make();
    remembered.set(key, entry);
    entry.count++;
    entry.last = now;
    const [oldest] = remembered.keys();
    if (remembered.size > MOST_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    return entry;
  };

  const drain = async () => {
    for (const entry of waiting) {
      waiting.delete(entry);
      await deliver(client, entry).catch((error) =>
        log.warn(
          {
            event: "report.failed",
            key: objectKey(entry.event),
            reason: entry.event.reason,
            error: explainError(error),
          },
          "could not report an event",
        ),
      );
    }
    if (lost > 0) log.warn({ event: "report.lost", lost }, "too many events at once, some were not reported");
    lost = 0;
    sending = undefined;
  };

  return {
    event(resource, object, note) {
      const key = [resource.plural, objectKey(object), object.metadata?.uid, note.type, note.reason, note.message].join(
        " ",
      );
      const entry = entryFor(key, () => newEntry(component, resource, object, note, clock.date()));
      if (waiting.size >= MOST_WAITING && !waiting.has(entry)) {
        lost++;
        return;
      }
      waiting.add(entry);
      sending ??= Promise.resolve().then(drain);
    },
    async flush() {
      while (sending !== undefined) await sending;
    },
  };
}

function newEntry<T extends KubeObject>(
  component: string,
  resource: Resource<T>,
  object: T,
  { type, reason, message }: EventNote,
  now: Date,
): Entry {
  const { name = "", namespace, uid, resourceVersion } = object.metadata ?? {};
  return {
    event: {
      // Events on cluster-scoped objects live in "default"; the server refuses any other namespace.
      metadata: { name: `${name}.${randomBytes(8).toString("hex")}`, namespace: namespace ?? "default" },
      involvedObject: {
        apiVersion: apiVersionOf(resource),
        kind: resource.kind,
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
      type,
      reason,
      message: message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE - 3)}...` : message,
      source: { component, host: hostname() },
      reportingComponent: component,
      reportingInstance: hostname(),
      firstTimestamp: wireTime(now),
    },
    count: 0,
    last: now,
    created: false,
  };
}

async function deliver(client: KubeClient, entry: Entry): Promise<void> {
  for (const [attempt, wait] of ATTEMPTS.entries()) {
    if (wait > 0) await pause(wait);
    try {
      await send(client, entry);
      return;
    } catch (error) {
      if (attempt === ATTEMPTS.length - 1 || !hasCode(error, "IB_API_UNREACHABLE")) throw error;
    }
  }
}

async function send(client: KubeClient, entry: Entry): Promise<void> {
  const state = { count: entry.count, lastTimestamp: wireTime(entry.last) };
  if (entry.created) {
    try {
      await client.patch(EVENTS, entry.event.metadata, { kind: "merge", body: state });
      return;
    } catch (error) {
      // The API server forgets events, after an hour as a rule: then it is told anew.
      if (refusalStatus(error) !== 404) throw error;
    }
  }
  await client.create(EVENTS, { ...entry.event, ...state });
  entry.created = true;
}

/** RFC 3339 in whole seconds, as metav1.Time prints it. */
function wireTime(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}

/** Keeps what was reported, for tests. */
export function fakeReporter(): Reporter & { readonly notes: readonly (EventNote & { readonly key: string })[] } {
  const notes: (EventNote & { readonly key: string })[] = [];
  return {
    notes,
    event: (_resource, object, note) => void notes.push({ ...note, key: objectKey(object) }),
    flush: async () => {},
  };
}

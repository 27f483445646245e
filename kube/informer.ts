import { explainError, type Log, startRunner } from "../core/mod.ts";
import { createBackOff } from "./back-off.ts";
import type { KubeClient, Selectors, WatchEvent } from "./client.ts";
import { type KubeObject, objectKey, type Resource } from "./object.ts";
import type { ObjectCache } from "./object-cache.ts";
import { ObjectStore } from "./object-store.ts";
import { refusalStatus, unreachable } from "./refusal.ts";
import type { Indexes, Store } from "./store.ts";

export interface InformerOptions<T> {
  readonly selectors?: Selectors;
  readonly indexes?: Indexes<T>;
  /** Where the objects are kept for a start without the API server. */
  readonly cache?: ObjectCache;
  /** A server that has no such kind, or does not show it to us, has none of its objects; it is asked again now and then. */
  readonly optional?: boolean;
  readonly log: Log;
}

/** Milliseconds before the second attempt, and at most between two. */
const RETRY = { first: 100, longest: 10_000 };
/** Milliseconds after which a server is asked again for a kind that it did not have. */
const ABSENT_RETRY = 300_000;
/** Milliseconds without an answer, not even a refusal, after which what an earlier run knew has to do. */
const RECALL_AFTER = 2_000;
/** A watch that has lived this many milliseconds works; a failure after it is a new failure. */
const WORKING_AFTER = 5_000;
/** A watch that ends in order but sooner than this, without an event, counts as failed: else it would spin. Milliseconds. */
const SHORTEST_WATCH = 1_000;

/**
 * Keeps a store equal to the cluster: list, then watch with bookmarks from there on; 410 lists again, any other failure
 * is tried again with growing, jittered pauses. The last known objects stay readable meanwhile; when there is a cache and
 * the API server doesn't answer at the start, those that an earlier run knew. Ends with `signal`.
 */
export function startInformer<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  options: InformerOptions<T>,
  signal: AbortSignal,
): Store<T> {
  const { selectors = {}, cache, optional = false } = options;
  const log = options.log.child({ resource: resource.plural });
  const backOff = createBackOff(RETRY.first, RETRY.longest, Math.random);
  const store = new ObjectStore<T>(options.indexes ?? {}, (error) =>
    log.error({ event: "informer.listener_failed", err: error }, "a listener of the store failed"),
  );
  /** Up to where the store knows the cluster; undefined when only a new list can tell. */
  let version: string | undefined;
  let failures = 0;
  /** It is known to be without the kind. */
  let isAbsent = false;

  const works = () => {
    backOff.reset();
    failures = 0;
  };

  const recall = () => {
    clearTimeout(recallTimer);
    const objects = store.synced || signal.aborted ? undefined : cache?.read(resource);
    if (objects === undefined) return;
    store.recall(objects);
    log.warn(
      { event: "informer.recalled", objects: objects.length },
      "no API server yet, using what an earlier run knew",
    );
  };
  const recallTimer = setTimeout(recall, RECALL_AFTER);
  signal.addEventListener("abort", () => clearTimeout(recallTimer), { once: true });

  const relist = async () => {
    const list = await client.list(resource, selectors);
    if (signal.aborted) return;
    isAbsent = false;
    store.replace(list.items);
    version = list.resourceVersion;
    log.debug({ event: "informer.listed", objects: list.items.length, version }, "read the whole list");
  };

  const take = (event: WatchEvent<T>) => {
    works();
    if (event.type === "BOOKMARK") {
      version = event.resourceVersion;
      return;
    }
    version = event.object.metadata?.resourceVersion ?? version;
    if (event.type === "DELETED") store.remove(objectKey(event.object));
    else store.set(event.object);
  };

  const follow = async (resourceVersion: string) => {
    const start = performance.now();
    let events = 0;
    try {
      await client.watch(resource, { ...selectors, resourceVersion, signal }, (event) => {
        events++;
        take(event);
      });
    } finally {
      if (performance.now() - start > WORKING_AFTER) works();
    }
    if (events === 0 && performance.now() - start < SHORTEST_WATCH && !signal.aborted) {
      throw unreachable(`watch ${resource.plural}`, "the server ended the watch as soon as it began");
    }
  };

  const failed = (error: unknown) => {
    if (needsList(error)) version = undefined;
    if (optional && isUnknown(error)) {
      if (!isAbsent) log.info({ event: "informer.absent", error: explainError(error) }, "goes on without this kind");
      isAbsent = true;
      store.replace([]);
      return;
    }
    failures++;
    const level = failures === 1 && refusalStatus(error) !== 410 ? "warn" : "debug";
    recall();
    log[level]({ event: "informer.retry", failures, error: explainError(error) }, "lost the API server, trying again");
  };

  startRunner(
    async () => {
      if (version === undefined) await relist();
      if (version !== undefined) await follow(version);
    },
    {
      minInterval: 0,
      maxInterval: 0,
      retryInterval: () => (isAbsent ? ABSENT_RETRY : backOff.next()),
      onError: failed,
    },
    signal,
  );
  cache?.follow(resource, store, signal);
  return store;
}

/** Not found: the server is too old. Forbidden: our role is older than we are. */
function isUnknown(error: unknown): boolean {
  const status = refusalStatus(error);
  return status === 404 || status === 403;
}

/**
 * A refused watch says that the server doesn't know the version (410 in its many forms: too old, too new, another
 * history after a restore), or can't serve from it. Only "too many requests" says nothing about the version, nor does a
 * connection that broke.
 */
function needsList(error: unknown): boolean {
  const status = refusalStatus(error);
  return status !== undefined && status !== 429;
}

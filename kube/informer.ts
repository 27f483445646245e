import type { Log } from "../core/mod.ts";
import type { KubeClient, Selectors } from "./client.ts";
import type { KubeObject, Resource } from "./object.ts";
import type { Indexes, Store } from "./store.ts";

export interface InformerOptions<T> {
  readonly selectors?: Selectors;
  readonly indexes?: Indexes<T>;
  readonly log: Log;
}

/**
 * Keeps a store equal to the cluster: list, then watch with bookmarks from there on; 410 lists again, any other failure
 * is tried again with growing, jittered pauses. The last known objects stay readable meanwhile. Ends with `signal`.
 */
export declare function startInformer<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  options: InformerOptions<T>,
  signal: AbortSignal,
): Store<T>;

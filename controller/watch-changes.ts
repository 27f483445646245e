import type { Change, Store, V1Namespace, V1Service } from "../kube/mod.ts";
import type { ConfigKind, ConfigStores } from "./config-stores.ts";

/** Who is told when something changed that addresses depend on. */
export interface Told {
  noteService(key: string, before: V1Service | undefined, after: V1Service | undefined): void;
  noteNamespace(name: string): void;
  noteConfig(): void;
}

interface Watched extends Pick<ConfigStores, "nodes"> {
  readonly services: Store<V1Service>;
  readonly namespaces: Store<V1Namespace>;
}

/**
 * Leaves out the changes that mean nothing here: above all the status that this program writes itself.
 * @param onStatus Called when something was written to a configuration object.
 */
export function watchChanges(
  stores: Watched,
  kinds: readonly ConfigKind[],
  told: Told,
  onStatus: () => void,
  signal: AbortSignal,
): void {
  const stops = [
    stores.services.subscribe(({ key, before, after }) => told.noteService(key, before, after)),
    stores.namespaces.subscribe((change) => {
      if (differs(change, ({ metadata }) => metadata?.labels)) told.noteNamespace(change.key);
    }),
    stores.nodes.subscribe((change) => {
      if (differs(change, ({ metadata }) => metadata?.labels)) told.noteConfig();
    }),
    ...kinds.map(({ store }) =>
      store.subscribe((change) => {
        onStatus();
        if (differs(change, ({ spec, metadata }) => [spec, metadata?.labels, metadata?.generation])) told.noteConfig();
      }),
    ),
  ];
  const stopAll = () => {
    for (const stop of stops) stop();
  };
  signal.addEventListener("abort", stopAll, { once: true });
}

/** True when what `read` finds in the object changed, or the object came or went. */
function differs<T>({ before, after }: Change<T>, read: (object: T) => unknown): boolean {
  if (before === undefined || after === undefined) return true;
  return JSON.stringify(read(before)) !== JSON.stringify(read(after));
}

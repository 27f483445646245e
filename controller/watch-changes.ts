import type { Change, Store, V1Namespace, V1Service } from "../kube/mod.ts";
import type { ConfigKind, ConfigStores } from "./config-stores.ts";

/** What to do when something changed that addresses depend on. */
export interface Reactions {
  service(key: string, before: V1Service | undefined, after: V1Service | undefined): void;
  namespace(name: string): void;
  config(): void;
  /** Something was written to, or about, a configuration object. */
  status(): void;
}

interface Watched extends Pick<ConfigStores, "nodes"> {
  readonly services: Store<V1Service>;
  readonly namespaces: Store<V1Namespace>;
}

/** Leaves out the changes that mean nothing here: above all the status that this program writes itself. */
export function watchChanges(
  stores: Watched,
  kinds: readonly ConfigKind[],
  react: Reactions,
  signal: AbortSignal,
): void {
  const stops = [
    stores.services.subscribe(({ key, before, after }) => react.service(key, before, after)),
    stores.namespaces.subscribe((change) => {
      if (differs(change, ({ metadata }) => metadata?.labels)) react.namespace(change.key);
    }),
    stores.nodes.subscribe((change) => {
      if (differs(change, ({ metadata }) => metadata?.labels)) react.config();
    }),
    ...kinds.map(({ store }) =>
      store.subscribe((change) => {
        react.status();
        if (differs(change, ({ spec, metadata }) => [spec, metadata?.labels, metadata?.generation])) react.config();
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

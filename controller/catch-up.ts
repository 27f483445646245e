import { type KubeClient, type KubeObject, objectKey, type Resource, type Store } from "../kube/mod.ts";

/**
 * Resolves once `store` shows every object at least as new as the API server has it now: what the leader before wrote last
 * may still be on its way to this replica. Resolves too when `signal` aborts.
 * @throws {IronbridgeError} When the API server can't be asked.
 */
export async function caughtUp<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  store: Store<T>,
  signal: AbortSignal,
): Promise<void> {
  const gone = new Set<string>();
  const missing = new Map<string, number>();
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = store.subscribe(({ key, after }) => {
    if (after === undefined) gone.add(key);
    if (after === undefined || versionOf(after) >= (missing.get(key) ?? 0)) missing.delete(key);
    if (listed && missing.size === 0) resolve();
  });
  let listed = false;
  const onAbort = () => resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const { items } = await client.list(resource);
    for (const item of items) {
      const key = objectKey(item);
      const shown = store.get(key);
      const behind = shown === undefined ? !gone.has(key) : versionOf(shown) < versionOf(item);
      if (behind) missing.set(key, versionOf(item));
    }
    listed = true;
    if (missing.size > 0 && !signal.aborted) await promise;
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}

/** Versions of one server rise with every write (KEP-5504). */
function versionOf({ metadata }: KubeObject): number {
  return Number(metadata?.resourceVersion ?? 0);
}

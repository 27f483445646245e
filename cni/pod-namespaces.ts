import type { Store, V1Namespace } from "../kube/mod.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import { claimOf } from "./pod-ranges.ts";

/** The Namespaces of the cluster as last heard. */
export type PodNamespaces = Pick<Store<V1Namespace>, "get" | "synced" | "subscribe">;

/** Milliseconds an ADD waits for a Namespace that was just made. A watch is some milliseconds behind. */
const KNOWN_TIMEOUT = 3_000;

/** Calls `changed` each time a Namespace claims something else than before. Returns the way to stop. */
export function followClaims(namespaces: PodNamespaces, changed: () => void): () => void {
  return namespaces.subscribe(({ before, after }) => {
    if (claimOf(before) !== claimOf(after)) changed();
  });
}

/**
 * Waits until it is known what the Namespace `name` claims. Its pod is here, so that it exists; without it, the pod could
 * get an address that identifies other pods.
 * @param name Undefined for what is no pod of Kubernetes: then the other Namespaces must be known.
 * @throws {CniError} TryAgainLater
 */
export async function whenKnown(namespaces: PodNamespaces, name: string | undefined): Promise<void> {
  const isKnown = () => namespaces.synced && (name === undefined || namespaces.get(name) !== undefined);
  if (isKnown()) return;
  const known = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => known.resolve(isKnown()), KNOWN_TIMEOUT);
  const unsubscribe = namespaces.subscribe(() => isKnown() && known.resolve(true));
  const found = await known.promise;
  clearTimeout(timer);
  unsubscribe();
  if (found) return;
  const what = name === undefined ? "the Namespaces of the cluster are" : `Namespace ${name} is`;
  const message = `${what} not known on this node yet, and so not which addresses its pods get; is the API server reachable?`;
  throw new CniError(CniErrorCode.TryAgainLater, message);
}

import { explainError } from "../core/mod.ts";
import { type AttachmentKey, hostLinkName, isHostLinkName, printKey } from "./attachment.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import { type PodHost, removeHostLink } from "./pod-host.ts";

/**
 * DEL: removes the pod's interface and frees its addresses, in this order, so that no address is handed out while it is
 * still in use. Needs neither the pod's namespace nor the cluster; succeeds when there is nothing to remove.
 * @throws {CniError} TryAgainLater when the kernel keeps the interface.
 */
export function detach(host: Pick<PodHost, "kernel" | "ipam">, key: AttachmentKey): void {
  try {
    removeHostLink(host.kernel, key);
  } catch (cause) {
    throw new CniError(CniErrorCode.TryAgainLater, explainError(cause), { cause });
  }
  host.ipam.release(key);
}

/**
 * GC: removes every attachment of `network` that the runtime does not know, and interfaces of ours that nobody knows.
 * Goes on after a failure.
 * @returns What was removed.
 * @throws {CniError} TryAgainLater, naming everything that could not be removed.
 */
export function collectGarbage(
  host: Pick<PodHost, "kernel" | "ipam">,
  network: string,
  valid: readonly AttachmentKey[],
): readonly string[] {
  const known = new Set(valid.map(printKey));
  const lost = host.ipam.list().filter((lease) => lease.network === network && !known.has(printKey(lease.key)));
  const removed: string[] = [];
  const failures: string[] = [];
  const remove = (name: string, work: () => void) => {
    try {
      work();
      removed.push(name);
    } catch (error) {
      failures.push(`${name}: ${explainError(error)}`);
    }
  };

  for (const { key } of lost) remove(printKey(key), () => detach(host, key));
  const owned = new Set([...valid, ...host.ipam.list().map((lease) => lease.key)].map(hostLinkName));
  const orphans = host.kernel.links().filter(({ name }) => isHostLinkName(name) && !owned.has(name));
  for (const { name, index } of orphans) remove(name, () => host.kernel.deleteLink(index));

  if (failures.length > 0) throw new CniError(CniErrorCode.TryAgainLater, failures.join("; "));
  return removed;
}

import { explainError } from "../core/mod.ts";
import { type AttachmentKey, hostLinkName, isHostLinkName, printKey } from "./attachment.ts";
import { isShaperLinkName, shaperLinkName } from "./bandwidth.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import { linkOf } from "./lease-store.ts";
import type { DetachHost } from "./pod-host.ts";

/**
 * DEL: removes the pod's host ports and interface and frees its addresses, in this order, so that no address is handed out while it is
 * still in use. Needs neither the pod's namespace nor the cluster; succeeds when there is nothing to remove.
 * @throws {CniError} TryAgainLater when the kernel keeps the interface.
 */
export async function detach(host: DetachHost, key: AttachmentKey): Promise<void> {
  try {
    await host.hostPorts.close(key);
    // Both, whatever is known of a limit: the store may have been lost, and a link that is not there costs nothing.
    await Promise.all(linkNames(key).map(host.removeLink));
  } catch (cause) {
    throw new CniError(CniErrorCode.TryAgainLater, explainError(cause), { cause });
  }
  host.ipam.release(leaseKey(host.ipam, key));
}

/** A pod found after the store was lost goes by another key, but its link's name tells. */
function leaseKey(ipam: DetachHost["ipam"], key: AttachmentKey): AttachmentKey {
  if (ipam.has(key)) return key;
  const link = hostLinkName(key);
  return ipam.list().find((lease) => lease.link === link)?.key ?? key;
}

/**
 * GC: removes every attachment of `network` that the runtime does not know, and interfaces of ours that nobody knows.
 * Goes on after a failure.
 * @returns What was removed.
 * @throws {CniError} TryAgainLater, naming everything that could not be removed.
 */
export async function collectGarbage(
  host: DetachHost,
  network: string,
  valid: readonly AttachmentKey[],
): Promise<readonly string[]> {
  const known = new Set(valid.map(printKey));
  const leases = host.ipam.list();
  const lost = leases.filter((lease) => lease.network === network && !known.has(printKey(lease.key)));
  const owned = new Set([...[...valid, ...leases.map(({ key }) => key)].flatMap(linkNames), ...leases.map(linkOf)]);
  const orphans = host.kernel.links().filter(({ name }) => isOurs(name) && !owned.has(name));

  const removed: string[] = [];
  const failures: string[] = [];
  const attempt = async (name: string, work: Promise<void>) => {
    try {
      await work;
      removed.push(name);
    } catch (error) {
      failures.push(`${name}: ${explainError(error)}`);
    }
  };
  await Promise.all([
    ...lost.map(({ key }) => attempt(printKey(key), detach(host, key))),
    ...orphans.map(({ name }) => attempt(name, host.removeLink(name))),
  ]);
  if (failures.length > 0) throw new CniError(CniErrorCode.TryAgainLater, failures.join("; "));
  return removed;
}

function linkNames(key: AttachmentKey): string[] {
  return [hostLinkName(key), shaperLinkName(key)];
}

function isOurs(name: string): boolean {
  return isHostLinkName(name) || isShaperLinkName(name);
}

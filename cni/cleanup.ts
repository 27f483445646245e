import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hasCode, IronbridgeError, type Log } from "../core/mod.ts";
import { openNft, openRtnetlink, type Rtnetlink } from "../linux/mod.ts";
import { BRIDGE_NAME } from "../net/mod.ts";
import { type AttachmentKey, isHostLinkName } from "./attachment.ts";
import { isShaperLinkName } from "./bandwidth.ts";
import { removeConfiguration, removePrograms } from "./conflist.ts";
import { clearEntrances } from "./fast-path-entrances.ts";
import { HOST_PORT_TABLE } from "./host-port-table.ts";
import { type Lease, linkOf } from "./lease-store.ts";
import { MASQUERADE_TABLE } from "./masquerade.ts";
import { openLeaseStore, readBootId, STORE_FILES, STORE_NAME } from "./open-lease-store.ts";
import { removeHostLink } from "./pod-host.ts";
import { queueBeside, runQueuedDeletions } from "./queued-deletions.ts";
import { applyRoutes } from "./routes.ts";
import { removeTunnel } from "./tunnel.ts";

/** Where the pod network of a node keeps its files; see CniOptions. */
export interface PodNetworkFiles {
  readonly stateDir: string;
  readonly socketPath: string;
  readonly binDir: string;
  readonly confDir: string;
}

/** What becomes of pods that are attached: the removal is refused, or they lose their network. */
export type AttachedPods = "keep" | "disconnect";

/**
 * Removes all that the pod network made on this node, in the network namespace of this process: what is in the kernel but
 * for its settings, the configuration for container runtimes, the store. The plugin stays where pods lose their network, so
 * that runtimes can end them.
 * @throws {IronbridgeError} IB_CNI_FAILED when pods are attached that must keep their network, IB_STORE_BROKEN when an agent
 * runs; then nothing was removed.
 */
export async function removePodNetwork(files: PodNetworkFiles, attached: AttachedPods, log: Log): Promise<void> {
  const kernel = openRtnetlink();
  try {
    const leases = await remainingLeases(kernel, files, log);
    const pods = attachedPods(kernel, leases);
    if (pods.length > 0 && attached === "keep") throw refusal(pods);
    removeConfiguration(files.confDir);
    if (pods.length === 0) removePrograms(files.binDir);
    await removeTables();
    applyRoutes(kernel, new Map());
    removeTunnel(kernel);
    clearEntrances(kernel); // also from links that the plugins before this one made
    await removeLinks(kernel);
  } finally {
    kernel.close();
  }
  for (const name of STORE_FILES) rmSync(join(files.stateDir, name), { force: true });
  rmSync(files.socketPath, { force: true });
  rmSync(queueBeside(files.socketPath), { recursive: true, force: true });
}

/** Of pods that did not end while no agent ran. None where there is no store. */
async function remainingLeases(
  kernel: Rtnetlink,
  { stateDir, socketPath }: PodNetworkFiles,
  log: Log,
): Promise<readonly Lease[]> {
  const path = join(stateDir, STORE_NAME);
  if (!existsSync(path)) return [];
  const { store } = openLeaseStore(path, readBootId(), log);
  try {
    const remove = async (key: AttachmentKey) => {
      removeHostLink(kernel, key);
      store.remove(key);
    };
    await runQueuedDeletions(queueBeside(socketPath), remove, log);
    return store.list();
  } finally {
    store.close();
  }
}

/** By namespace and name, or by the node's end of their interface. */
function attachedPods(kernel: Pick<Rtnetlink, "link" | "links">, leases: readonly Lease[]): string[] {
  const owners = new Map(leases.map((lease) => [linkOf(lease), lease.pod]));
  const bridge = kernel.link(BRIDGE_NAME)?.index;
  const ends = kernel.links().filter(({ name, kind, master }) => {
    return kind === "veth" && (isHostLinkName(name) || (master !== undefined && master === bridge));
  });
  return ends.map(({ name }) => {
    const pod = owners.get(name);
    return pod === undefined ? name : `${pod.namespace}/${pod.name}`;
  });
}

function refusal(pods: readonly string[]): IronbridgeError {
  const some = pods.slice(0, 3).join(", ") + (pods.length > 3 ? ", ..." : "");
  const message =
    `${pods.length} pods of this node use the pod network (${some}): nothing was removed; drain the node first, leave the ` +
    "pod network with --parts speaker,proxy, or cut these pods off with --with-pods";
  return new IronbridgeError("IB_CNI_FAILED", message);
}

/** Where there is no nftables there are no tables. */
async function removeTables(): Promise<void> {
  try {
    const nft = await openNft();
    try {
      const tables = [`inet ${MASQUERADE_TABLE}`, HOST_PORT_TABLE];
      await nft.apply(tables.map((table) => `add table ${table}\ndelete table ${table}\n`).join(""));
    } finally {
      nft.close();
    }
  } catch (error) {
    if (!hasCode(error, "IB_BINARY_MISSING")) throw error;
  }
}

async function removeLinks(kernel: Rtnetlink): Promise<void> {
  const isOurs = ({ name, kind }: { name: string; kind?: string }) =>
    isHostLinkName(name) || isShaperLinkName(name) || (name === BRIDGE_NAME && kind === "bridge");
  const names = kernel.links().filter(isOurs);
  await kernel.deleteLinks(names.map(({ name }) => name));
}

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { explainError, type Log } from "../core/mod.ts";
import { type Link, type Netns, openNetns, openRtnetlink, type Rtnetlink } from "../linux/mod.ts";
import { isLinkLocal } from "../net/mod.ts";
import { hostLinkName, isHostLinkName } from "./attachment.ts";
import type { Lease, LeaseStore } from "./lease-store.ts";
import { type CachedResult, readResultCache } from "./result-cache.ts";

/** Where libcni keeps results, unless the runtime says otherwise. */
export const RESULT_DIRECTORY = "/var/lib/cni/results";
const NETNS_DIRECTORY = "/run/netns";

/**
 * Writes pods into a new store that run already: their interfaces are in the kernel, and the runtime remembers whose they
 * are. For one it does not know, the namespaces tell the addresses, so that no other pod gets them.
 */
export function adoptPods(
  kernel: Pick<Rtnetlink, "links" | "netnsId">,
  store: LeaseStore,
  resultDir: string,
  log: Log,
): void {
  const ports = kernel.links().filter(({ name, kind }) => kind === "veth" && isHostLinkName(name));
  if (ports.length === 0) return;
  const cached = new Map(readResultCache(resultDir).map((result) => [hostLinkName(result.key), result]));
  const unknown = ports.filter(({ name }) => !cached.has(name));
  const found = unknown.length === 0 ? new Map<string, Lease>() : podsInNamespaces(kernel, unknown, log);
  for (const { name } of ports) {
    const result = cached.get(name);
    const lease = result === undefined ? found.get(name) : leaseOf(result);
    try {
      if (lease === undefined) throw new Error("neither the runtime nor a namespace knows its pod");
      store.insert(lease);
      store.markComplete(lease.key);
      log.info({ event: "cni.adopted", link: name, ...lease.key }, "a running pod was found and is kept");
    } catch (error) {
      log.warn({ event: "cni.not_adopted", link: name, reason: explainError(error) }, "an interface has no known pod");
    }
  }
}

function leaseOf({ key, network, netns, addresses, runtime }: CachedResult): Lease {
  const { hostPorts, bandwidth } = runtime;
  const limits = bandwidth === undefined ? {} : { bandwidth };
  return { key, network, netns, addresses, hostPorts, ...limits, complete: true };
}

/** By name of the node's end, which says where the other end is. That one has the addresses. */
function podsInNamespaces(kernel: Pick<Rtnetlink, "netnsId">, ports: readonly Link[], log: Log): Map<string, Lease> {
  const found = new Map<string, Lease>();
  for (const name of existsSync(NETNS_DIRECTORY) ? readdirSync(NETNS_DIRECTORY) : []) {
    const path = join(NETNS_DIRECTORY, name);
    try {
      const netns = openNetns(path);
      try {
        const id = kernel.netnsId(netns);
        const here = id === undefined ? [] : ports.filter(({ peerNetns }) => peerNetns === id);
        for (const port of here) found.set(port.name, leaseBehind(port, netns));
      } finally {
        netns.close();
      }
    } catch (error) {
      log.debug({ event: "cni.namespace_skipped", path, reason: explainError(error) }, "a namespace can't be read");
    }
  }
  return found;
}

function leaseBehind({ name, peer }: Link, netns: Netns): Lease {
  const kernel = openRtnetlink(netns);
  try {
    const end = kernel.links().find(({ index }) => index === peer);
    const present = kernel.addresses().filter(({ ifindex, address }) => ifindex === peer && !isLinkLocal(address));
    const key = { containerId: name, ifname: end?.name ?? "" };
    const addresses = present.map(({ address }) => address);
    return { key, network: "", netns: netns.path, addresses, hostPorts: [], link: name, complete: true };
  } finally {
    kernel.close();
  }
}

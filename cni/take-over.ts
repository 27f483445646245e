import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { explainError, type Log } from "../core/mod.ts";
import type { Rtnetlink } from "../linux/mod.ts";
import { type Address, BRIDGE_NAME, type Prefix, sameAddress, tryParseAddress } from "../net/mod.ts";
import { type AttachmentKey, printKey } from "./attachment.ts";
import { gatewaysOf } from "./bridge.ts";
import type { Ipam } from "./ipam.ts";
import { UNKNOWN_NETNS } from "./lease-store.ts";
import { readResultCache } from "./result-cache.ts";

/** The bridge of the CNI project's plugin `bridge`, as flannel and others use it, and the files of `host-local`. */
const FOREIGN_BRIDGE = "cni0";
export const HOST_LOCAL_DIRECTORY = "/var/lib/cni/networks";

export interface TakeOverOptions {
  readonly kernel: Rtnetlink;
  readonly ipam: Ipam;
  readonly prefixes: readonly Prefix[];
  readonly resultDir: string;
  readonly hostLocalDir: string;
  readonly log: Log;
}

/**
 * Takes the pods over that the plugins `bridge` and `host-local` connected: their bridge becomes ours, by its name only,
 * so that gateway, ports and MAC addresses stay, and their addresses are given to nobody else. Runtimes let the old
 * plugins remove those pods. Nothing happens where there is no such bridge with the node's gateway.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export function takeOver(options: TakeOverOptions): void {
  const { kernel, prefixes, log } = options;
  const bridge = kernel.link(FOREIGN_BRIDGE);
  if (bridge?.kind !== "bridge" || kernel.link(BRIDGE_NAME) !== undefined) return;
  const gateways = gatewaysOf(prefixes);
  const present = kernel.addresses().filter(({ ifindex }) => ifindex === bridge.index);
  const isOurs = ({ address }: { address: Address }) =>
    gateways.some((gateway) => sameAddress(gateway.address, address));
  if (!present.some(isOurs)) return;
  recordPods(options);
  kernel.setLink(bridge.index, { up: false });
  kernel.setLink(bridge.index, { name: BRIDGE_NAME });
  kernel.setLink(bridge.index, { up: true });
  log.info(
    { event: "cni.bridge_taken_over", from: FOREIGN_BRIDGE, to: BRIDGE_NAME },
    "took over a bridge with its pods",
  );
}

function recordPods({ kernel, ipam, resultDir, hostLocalDir, log }: TakeOverOptions): void {
  const cached = new Map(readResultCache(resultDir).map((result) => [printKey(result.key), result]));
  const veths = new Set(
    kernel
      .links()
      .filter(({ kind }) => kind === "veth")
      .map(({ name }) => name),
  );
  for (const { key, network, addresses } of readHostLocal(hostLocalDir)) {
    const { netns = UNKNOWN_NETNS, links = [] } = cached.get(printKey(key)) ?? {};
    const link = links.find((name) => veths.has(name));
    try {
      const known = link === undefined ? {} : { link };
      ipam.record({ key, network, netns, addresses, hostPorts: [], chained: true, ...known });
      ipam.complete(key);
      log.info({ event: "cni.taken_over", network, ...key }, "took over a running pod");
    } catch (error) {
      log.warn({ event: "cni.not_taken_over", ...key, reason: explainError(error) }, "a pod is known already");
    }
  }
}

interface Reservation {
  readonly key: AttachmentKey;
  readonly network: string;
  readonly addresses: readonly Address[];
}

/** A directory per network, in it a file per address that holds the container and the interface, one per line. */
export function readHostLocal(directory: string): Reservation[] {
  const found = new Map<string, Reservation>();
  for (const network of existsSync(directory) ? readdirSync(directory) : []) {
    const files = readdirSync(join(directory, network), { withFileTypes: true }).filter((entry) => entry.isFile());
    for (const { name } of files) {
      const address = tryParseAddress(name);
      if (address === undefined) continue; // last_reserved_ip.0, lock
      const [containerId = "", ifname = "eth0"] = readFileSync(join(directory, network, name), "utf8")
        .trim()
        .split(/\r?\n/);
      if (containerId === "") continue; // cut off by a power failure: no pod knows of it
      const key = { containerId, ifname };
      const addresses = [...(found.get(printKey(key))?.addresses ?? []), address];
      found.set(printKey(key), { key, network, addresses });
    }
  }
  return [...found.values()];
}

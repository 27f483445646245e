import type { Link } from "../linux/mod.ts";
import { type Address, tryParseAddress } from "../net/mod.ts";
import type { AddRequest } from "./attach.ts";
import { applyBandwidth, shaperLinkName } from "./bandwidth.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import type { PrevResult } from "./network-config.ts";
import type { PodHost } from "./pod-host.ts";

/**
 * ADD after other plugins: gives host ports and limits to the interface that one of them made, as the CNI project's
 * portmap and bandwidth do.
 * @returns The result of the plugins before, as JSON.
 * @throws {CniError} InvalidConfig when they made no such interface, InvalidNetns, AlreadyAttached
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export async function attachChained(host: PodHost, request: AddRequest): Promise<string> {
  const { key, netns, config, pod } = request;
  const { hostPorts, bandwidth } = config.runtime;
  const result = `${JSON.stringify(config.handedOn)}\n`;
  if (hostPorts.length === 0 && bandwidth === undefined) return result;
  const addresses = podAddresses(key.ifname, config.prevResult ?? { interfaces: [], ips: [] });
  if (addresses.length === 0) {
    const message = `prevResult has no address of interface ${key.ifname}, to which host ports or limits belong`;
    throw new CniError(CniErrorCode.InvalidConfig, message);
  }
  const port = findPort(host, netns, key.ifname);
  const extras = {
    ...(pod && { pod }),
    ...(bandwidth && { bandwidth }),
    hostPorts,
    link: port.name,
    chained: true,
  } as const;
  host.ipam.record({ key, network: config.name, netns, addresses, ...extras });
  try {
    if (bandwidth !== undefined) applyBandwidth(host.kernel, key, port, bandwidth);
    await host.hostPorts.open({ key, addresses, hostPorts });
    host.ipam.complete(key);
    return result;
  } catch (error) {
    await host.removeLink(shaperLinkName(key));
    host.ipam.release(key);
    throw error;
  }
}

/** The first address of each family of the interface; entries that name no interface count, as older plugins write them. */
function podAddresses(ifname: string, { interfaces, ips }: PrevResult): Address[] {
  const own = ips.filter(({ interface: index }) => {
    const found = index === undefined ? undefined : interfaces[index];
    return index === undefined || (found?.name === ifname && found.sandbox !== "");
  });
  const addresses = own
    .map(({ address }) => tryParseAddress(address.split("/")[0]!))
    .filter((address) => address !== undefined);
  const first = (["ipv4", "ipv6"] as const).map((family) => addresses.find((address) => address.family === family));
  return first.filter((address) => address !== undefined);
}

/** The node's end of the interface, by the index that the pod's end tells. */
function findPort(host: PodHost, netns: string, ifname: string): Link {
  const namespace = host.openPod(netns);
  try {
    const peer = namespace.kernel.link(ifname)?.peer;
    const port = host.kernel.links().find(({ index, kind }) => index === peer && kind === "veth");
    if (port !== undefined) return port;
  } finally {
    namespace.close();
  }
  const message = `interface ${ifname} in ${netns} is not one end of a veth pair whose other end is on the node`;
  throw new CniError(CniErrorCode.InvalidConfig, message);
}

import { explainError } from "../core/mod.ts";
import {
  hasErrno,
  type Link,
  LOOPBACK_INDEX,
  runInNetns,
  type VethOptions,
  writeOptionalSysctl,
  writeSysctl,
} from "../linux/mod.ts";
import { type Address, BRIDGE_NAME, parsePrefix } from "../net/mod.ts";
import { type AttachmentKey, hostLinkName, macOf } from "./attachment.ts";
import { applyBandwidth } from "./bandwidth.ts";
import type { Bridge } from "./bridge.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import { mayEnter } from "./fast-path-plan.ts";
import { whenOperational } from "./link-readiness.ts";
import { type PodHost, type PodNetns, removeHostLink } from "./pod-host.ts";
import type { CniRequest } from "./request.ts";
import type { AddResult, PodAddress } from "./result.ts";
import type { RuntimeConfig } from "./runtime-config.ts";

export type AddRequest = Extract<CniRequest, { readonly command: "ADD" }>;

const EVERYWHERE = { ipv4: parsePrefix("0.0.0.0/0"), ipv6: parsePrefix("::/0") } as const;

/**
 * ADD: gives the pod an interface in the node's bridge, addresses, a gateway and a loopback. All of it or nothing.
 * @throws {CniError} InvalidNetns, AlreadyAttached, NoFreeAddress, InvalidConfig for an MTU that the node has no room for
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export async function attach(host: PodHost, request: AddRequest): Promise<AddResult> {
  const { key, netns, config, pod } = request;
  const namespace = host.openPod(netns);
  try {
    const { runtime } = config;
    const { hostPorts, bandwidth } = runtime;
    const mtu = podMtu(config, host.bridge);
    const known = { ...(pod && { pod }), ...(bandwidth && { bandwidth }), ...(config.mtu && { mtu }) };
    const lease = { key, network: config.name, netns, hostPorts, ...known };
    const addresses = host.ipam.reserve(lease, runtime);
    try {
      const { interfaces, podLink } = connect(host, namespace, key, addresses, { ...runtime, mtu });
      const gateways = configurePod(namespace, { name: key.ifname, index: podLink }, addresses);
      // In this order: the first port that passes packets gives the bridge its carrier.
      await whenOperational(host.kernel, hostLinkName(key));
      await whenOperational(host.kernel, BRIDGE_NAME);
      await whenOperational(namespace.kernel, key.ifname);
      await host.hostPorts.open({ key, hostPorts, addresses: addresses.map(({ address }) => address) });
      host.ipam.complete(key);
      return { interfaces, addresses, gateways, dns: config.dns };
    } catch (error) {
      throw await undo(host, key, error);
    }
  } finally {
    namespace.close();
  }
}

/** @throws {CniError} InvalidConfig */
function podMtu({ mtu }: AddRequest["config"], bridge: Bridge): number {
  if (mtu === undefined || mtu <= bridge.mtu) return mtu ?? bridge.mtu;
  const message = `mtu ${mtu} is more than the ${bridge.mtu} octets that packets may have on this node; leave it out`;
  throw new CniError(CniErrorCode.InvalidConfig, message);
}

function connect(
  { kernel, bridge, preparePort }: PodHost,
  namespace: PodNetns,
  key: AttachmentKey,
  addresses: readonly PodAddress[],
  { mac = macOf(addresses[0]!.address), bandwidth, mtu }: RuntimeConfig & { readonly mtu: number },
): Pick<AddResult, "interfaces"> & { readonly podLink: number } {
  const name = hostLinkName(key);
  const peer = { name: key.ifname, netns: namespace.netns, mac };
  const port = createPair(kernel, namespace, key, { name, mtu, master: bridge.index, peer });
  // A bridge port needs no address of its own; a kernel without IPv6 has no such setting.
  writeOptionalSysctl(`net/ipv6/conf/${name}/disable_ipv6`, "1");
  // Before it is up: the kernel waits for a grace period to put a queueing discipline in the place of one in use.
  const shaper = bandwidth && applyBandwidth(kernel, key, port, bandwidth);
  if (mayEnter(bandwidth)) preparePort(port.index);
  kernel.setLink(port.index, { up: true, hairpin: true });
  const interfaces = [
    { name: BRIDGE_NAME, mac: bridge.mac, mtu: bridge.mtu },
    { name, mac: port.mac, mtu },
    { name: key.ifname, mac, mtu, sandbox: namespace.netns.path },
  ];
  return { podLink: port.peer!, interfaces: shaper === undefined ? interfaces : [...interfaces, shaper] };
}

/**
 * In place of what an agent whose store was lost left behind: the runtime says that this container is new.
 * @throws {CniError} AlreadyAttached
 */
function createPair(kernel: PodHost["kernel"], pod: PodNetns, key: AttachmentKey, options: VethOptions): Link {
  try {
    return kernel.createVeth(options);
  } catch (error) {
    if (!hasErrno(error, "EEXIST")) throw error;
    if (pod.kernel.link(key.ifname) !== undefined) {
      const message = `the namespace ${pod.netns.path} has an interface ${key.ifname} already`;
      throw new CniError(CniErrorCode.AlreadyAttached, message);
    }
    removeHostLink(kernel, key);
    return kernel.createVeth(options);
  }
}

/**
 * Sets up the pod's side. A further interface of a pod leaves the default route where it is.
 * @returns The gateways that became the pod's default routes.
 */
function configurePod(
  { netns, kernel }: PodNetns,
  { name, index }: Pick<Link, "name" | "index">,
  addresses: readonly PodAddress[],
): Address[] {
  if (addresses.some(({ address }) => address.family === "ipv6")) runInNetns(netns, () => prepareIpv6(name));
  kernel.bringUp(
    [LOOPBACK_INDEX, index],
    addresses.map(({ address, length }) => ({ ifindex: index, address, length })),
  );
  const before = kernel.routes().filter(({ destination }) => destination.length === 0);
  const gateways = addresses
    .map(({ gateway }) => gateway)
    .filter(({ family }) => !before.some(({ destination }) => destination.family === family));
  for (const gateway of gateways) {
    kernel.replaceRoute({ destination: EVERYWHERE[gateway.family], gateway, ifindex: index, protocol: RTPROT_BOOT });
  }
  return gateways;
}

/** rtnetlink.h: routes made while an interface is set up. The pod's own routes belong to the pod from then on. */
const RTPROT_BOOT = 3;

/** Some runtimes start namespaces without IPv6. Duplicates can't be, so nothing waits a second to look for them. */
function prepareIpv6(ifname: string): void {
  for (const scope of ["lo", ifname]) writeSysctl(`net/ipv6/conf/${scope}/disable_ipv6`, "0");
  writeSysctl(`net/ipv6/conf/${ifname}/accept_dad`, "0");
  writeSysctl(`net/ipv6/conf/${ifname}/accept_ra`, "0");
}

/** What is there then is of an earlier ADD, and works. */
function isAlreadyAttached(error: unknown): boolean {
  return error instanceof CniError && error.code === CniErrorCode.AlreadyAttached;
}

/** Takes back what was done; the error to throw is the one that made it necessary. */
async function undo(host: PodHost, key: AttachmentKey, reason: unknown): Promise<unknown> {
  try {
    await host.hostPorts.close(key);
    if (!isAlreadyAttached(reason)) removeHostLink(host.kernel, key);
    host.ipam.release(key);
    return reason;
  } catch (error) {
    return new Error(`${explainError(reason)}; taking it back failed too: ${explainError(error)}`, { cause: reason });
  }
}

import type { Link, LinkAddress, Route } from "../linux/mod.ts";
import { BRIDGE_NAME, printAddress, printMac, sameAddress, tryParseAddress } from "../net/mod.ts";
import { hostLinkName } from "./attachment.ts";
import { bandwidthProblems } from "./bandwidth.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import type { Lease } from "./lease-store.ts";
import type { PrevResult } from "./network-config.ts";
import type { PodHost } from "./pod-host.ts";
import type { CniRequest } from "./request.ts";

type CheckRequest = Extract<CniRequest, { readonly command: "CHECK" }>;

/** What the kernel and the store say of one attachment. */
export interface Seen {
  readonly lease: Lease | undefined;
  readonly bridgeIndex: number;
  readonly hostLink: Link | undefined;
  readonly podLink: Link | undefined;
  readonly podAddresses: readonly LinkAddress[];
  readonly podRoutes: readonly Route[];
  readonly limitProblems: readonly string[];
  /** Host ports that do not lead to the pod. */
  readonly closedHostPorts: readonly string[];
}

/**
 * CHECK: looks whether everything that ADD made is still there. Reads only.
 * @throws {CniError} InvalidNetns, or CheckFailed naming all that is missing.
 */
export async function check(host: PodHost, { key, netns, prev }: CheckRequest): Promise<void> {
  const lease = host.ipam.get(key);
  const limitProblems = lease === undefined ? [] : bandwidthProblems(host.kernel, lease);
  const closedHostPorts = await host.hostPorts.missing(key);
  const namespace = host.openPod(netns);
  try {
    const problems = findProblems(key.ifname, prev, {
      lease,
      bridgeIndex: host.bridge.index,
      hostLink: host.kernel.link(hostLinkName(key)),
      podLink: namespace.kernel.link(key.ifname),
      podAddresses: namespace.kernel.addresses(),
      podRoutes: namespace.kernel.routes(),
      limitProblems,
      closedHostPorts,
    });
    if (problems.length > 0) throw new CniError(CniErrorCode.CheckFailed, problems.join("; "));
  } finally {
    namespace.close();
  }
}

/** Everything in which `seen` is not what ADD made. Additions by later plugins are none of our business. */
export function findProblems(ifname: string, prev: PrevResult, seen: Seen): string[] {
  const { lease, hostLink, podLink } = seen;
  if (lease === undefined) return [`the node knows nothing of interface ${ifname} of this container`];
  const problems = [...seen.limitProblems, ...seen.closedHostPorts.map((port) => `no host port leads from ${port}`)];
  if (lease.chained) return problems; // the rest is the other plugin's to check
  const reported = prev.ips.map(({ address }) => tryParseAddress(address.split("/")[0]!));
  for (const address of lease.addresses) {
    const text = printAddress(address);
    if (!reported.some((other) => other !== undefined && sameAddress(address, other))) {
      problems.push(`prevResult lacks the address ${text}`);
    }
    const present = seen.podAddresses.some(
      (entry) => entry.ifindex === podLink?.index && sameAddress(entry.address, address),
    );
    if (!present) problems.push(`interface ${ifname} lacks the address ${text}`);
    if (!seen.podRoutes.some(({ destination }) => destination.family === address.family && destination.length === 0)) {
      problems.push(`the pod lacks a default route for ${address.family}`);
    }
  }
  problems.push(...linkProblems(ifname, podLink), ...portProblems(hostLinkName(lease.key), hostLink, seen.bridgeIndex));
  const mac = prev.interfaces.find(({ name, sandbox }) => name === ifname && sandbox !== "")?.mac.toLowerCase();
  if (mac && podLink !== undefined && printMac(podLink.mac) !== mac) {
    problems.push(`interface ${ifname} has the MAC address ${printMac(podLink.mac)}, prevResult says ${mac}`);
  }
  return problems;
}

function linkProblems(name: string, link: Link | undefined): string[] {
  if (link === undefined) return [`interface ${name} is missing`];
  return link.up ? [] : [`interface ${name} is down`];
}

function portProblems(name: string, link: Link | undefined, bridgeIndex: number): string[] {
  const problems = linkProblems(name, link);
  if (link !== undefined && link.master !== bridgeIndex) problems.push(`interface ${name} is not in ${BRIDGE_NAME}`);
  return problems;
}

import { statSync } from "node:fs";
import { explainError, IronbridgeError } from "../core/mod.ts";
import { type Netns, openNetns, openRtnetlink, type Rtnetlink } from "../linux/mod.ts";
import { type AttachmentKey, hostLinkName } from "./attachment.ts";
import { shaperLinkName } from "./bandwidth.ts";
import type { Bridge } from "./bridge.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import type { HostPorts } from "./host-ports.ts";
import type { Ipam } from "./ipam.ts";
import { type Lease, linkOf } from "./lease-store.ts";
import type { RemoveLink } from "./link-remover.ts";

/** The node as attach, detach and check see it. */
export interface PodHost {
  /** Links of the node's own namespace. */
  readonly kernel: Rtnetlink;
  readonly ipam: Ipam;
  readonly bridge: Bridge;
  readonly removeLink: RemoveLink;
  readonly hostPorts: HostPorts;
  /** What is done to a pod's link of the node before it is up. */
  readonly preparePort: (ifindex: number) => void;
  /** openPodNetns(), or a stand-in for it. */
  readonly openPod: (path: string) => PodNetns;
}

/** A pod's namespace, open. */
export interface PodNetns {
  readonly netns: Netns;
  readonly kernel: Rtnetlink;
  close(): void;
}

/** @throws {CniError} InvalidNetns when `path` is no network namespace, or is the node's own. */
export function openPodNetns(path: string): PodNetns {
  let netns: Netns | undefined;
  try {
    const [pod, own] = [statSync(path), statSync("/proc/self/ns/net")];
    if (pod.ino === own.ino && pod.dev === own.dev) throw new Error("it is the namespace of the node itself");
    netns = openNetns(path);
    const opened = { netns, kernel: openRtnetlink(netns) };
    return {
      ...opened,
      close: () => {
        opened.kernel.close();
        opened.netns.close();
      },
    };
  } catch (cause) {
    netns?.close();
    const details = cause instanceof Error ? cause.message : String(cause);
    throw new CniError(CniErrorCode.InvalidNetns, `CNI_NETNS ${path} can't be used`, { cause, details });
  }
}

/** What DEL and GC need of the node. */
export type DetachHost = Pick<PodHost, "kernel" | "ipam" | "removeLink" | "hostPorts">;

/**
 * Removes the interface pair of `key` and the link that shapes it at once, where they are. The pod's end goes with the
 * node's.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED when it is still there afterwards.
 */
export function removeHostLink(kernel: Rtnetlink, key: AttachmentKey): void {
  for (const name of [hostLinkName(key), shaperLinkName(key)]) removeLinkNow(kernel, name);
}

function removeLinkNow(kernel: Rtnetlink, name: string): void {
  const link = kernel.link(name);
  if (link === undefined) return;
  try {
    kernel.deleteLink(link.index);
  } catch (cause) {
    // The kernel removes it by itself when the pod's namespace ends, which may be just now.
    if (kernel.link(name) === undefined) return;
    throw new IronbridgeError("IB_KERNEL_REFUSED", `interface ${name} can't be removed`, { cause });
  }
}

/**
 * Gives both ends of a pod's interface the node's MTU (octets), or the smaller one that its configuration asked for, where
 * they have another.
 * @returns Why that was not possible, as with a pod that is just ending.
 */
export function setPodMtu(
  { kernel, openPod }: Pick<PodHost, "kernel" | "openPod">,
  lease: Lease,
  nodeMtu: number,
): string | undefined {
  const mtu = Math.min(lease.mtu ?? nodeMtu, nodeMtu);
  const port = kernel.link(linkOf(lease));
  if (port === undefined || port.mtu === mtu) return undefined;
  try {
    const pod = openPod(lease.netns);
    try {
      const link = pod.kernel.link(lease.key.ifname);
      if (link !== undefined) pod.kernel.setLink(link.index, { mtu });
    } finally {
      pod.close();
    }
    kernel.setLink(port.index, { mtu });
    return undefined;
  } catch (error) {
    return explainError(error);
  }
}

import { hash } from "node:crypto";
import { type Address, addressToBytes, POD_LINK_NAME } from "../net/mod.ts";

/** An interface of a container: what ADD makes and DEL removes. */
export interface AttachmentKey {
  readonly containerId: string;
  readonly ifname: string;
}

/** The pod a runtime acts for, as Kubernetes runtimes tell in CNI_ARGS. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** "container/interface": the key of an attachment in a map and a log. */
export function printKey({ containerId, ifname }: AttachmentKey): string {
  return `${containerId}/${ifname}`;
}

/**
 * The node's end of the attachment: "ib" and 13 hexadecimal digits, the 15 characters an interface name may have. It
 * follows from the key alone, so that DEL finds the link when nothing else is known.
 */
export function hostLinkName(key: AttachmentKey): string {
  return `ib${hash("sha256", printKey(key), "hex").slice(0, 13)}`;
}

/** True for the names that hostLinkName() gives. */
export function isHostLinkName(name: string): boolean {
  return POD_LINK_NAME.test(name);
}

/**
 * A MAC address that follows from an IP address, so that neighbours' caches stay right when the IP address passes to
 * another pod. 0a:58 and the IPv4 address, the custom of Kubernetes bridges; IPv6 gives its last four octets.
 */
export function macOf(address: Address): Uint8Array {
  return Uint8Array.of(0x0a, 0x58, ...addressToBytes(address).slice(-4));
}

import { createHash } from "node:crypto";
import { explainError } from "../core/mod.ts";
import { type Link, type Rtnetlink, writeOptionalSysctl } from "../linux/mod.ts";
import {
  ADDRESS_BITS,
  type Address,
  type Prefix,
  printAddress,
  printMac,
  sameAddress,
  TUNNEL_NAME,
} from "../net/mod.ts";
import type { Uplink } from "./uplink.ts";

/** The network number of all nodes: one that other pod networks do not use, so that both can be there in a change-over. */
const VNI = 7373;
/** Octets that a tunnelled packet is longer: outer IP, UDP, VXLAN and Ethernet headers. */
const OVERHEAD = { ipv4: 20 + 8 + 8 + 14, ipv6: 40 + 8 + 8 + 14 } as const;

/** How nodes reach each other's pods. */
export interface TunnelOptions {
  readonly uplink: Uplink;
  /** UDP port. */
  readonly port: number;
  /** Name of this node. */
  readonly node: string;
  /** The node's pod prefixes. */
  readonly prefixes: readonly Prefix[];
}

/** Another node as the tunnel sees it. */
export interface TunnelNode {
  readonly mac: Uint8Array;
  /** Where its packets are sent. */
  readonly remote: Address;
  /** Its end of the tunnel, one per pod prefix. */
  readonly ends: readonly Address[];
}

/** Octets left for a pod's packet. */
export function tunnelMtu({ mtu, address }: Uplink): number {
  return mtu - OVERHEAD[address.family];
}

/**
 * The MAC address of a node's end. It follows from the name, so that nodes need not tell each other, and a device that is
 * made anew is the same again.
 */
export function tunnelMac(node: string): Uint8Array {
  const [first = 0, ...rest] = createHash("sha256").update(`ironbridge tunnel ${node}`).digest().subarray(0, 6);
  return Uint8Array.of((first & 0xfc) | 0x02, ...rest); // locally administered, one station
}

/** A node's end for one pod prefix: the prefix' own address, which no pod gets. */
export function tunnelEnd(prefix: Prefix): Address {
  return { family: prefix.family, value: prefix.first };
}

/**
 * Makes the tunnel device what it should be.
 * @returns Its index.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export function applyTunnel(kernel: Rtnetlink, { uplink, port, node, prefixes }: TunnelOptions): number {
  const mac = tunnelMac(node);
  const mtu = tunnelMtu(uplink);
  const local = uplink.address;
  const found = kernel.link(TUNNEL_NAME);
  const fits =
    found?.vxlan?.vni === VNI &&
    found.vxlan.port === port &&
    found.vxlan.local === printAddress(local) &&
    found.vxlan.underlay === uplink.ifindex &&
    printMac(found.mac) === printMac(mac);
  if (found !== undefined && !fits) kernel.deleteLink(found.index);
  const options = { name: TUNNEL_NAME, mac, mtu, vni: VNI, port, local, underlay: uplink.ifindex };
  const index = found !== undefined && fits ? found.index : kernel.createVxlan(options);
  // Answers may come by another way than questions go; and no address waits for duplicates of it.
  for (const [key, value] of [
    [`net/ipv4/conf/${TUNNEL_NAME}/rp_filter`, "2"],
    [`net/ipv6/conf/${TUNNEL_NAME}/accept_dad`, "0"],
    [`net/ipv6/conf/${TUNNEL_NAME}/accept_ra`, "0"],
  ] as const) {
    writeOptionalSysctl(key, value);
  }
  if (!fits || !found?.up || found.mtu !== mtu) kernel.setLink(index, { up: true, mtu });
  applyEnds(kernel, index, prefixes.map(tunnelEnd));
  return index;
}

/** True for a tunnel that this program made, by whatever name. */
export function isOwnTunnel({ vxlan }: Pick<Link, "vxlan">): boolean {
  return vxlan?.vni === VNI;
}

/** Removes the device when nodes are reached without it. */
export function removeTunnel(kernel: Rtnetlink): void {
  const found = kernel.link(TUNNEL_NAME);
  if (found?.kind === "vxlan") kernel.deleteLink(found.index);
}

function applyEnds(kernel: Rtnetlink, ifindex: number, ends: readonly Address[]): void {
  const present = kernel.addresses().filter((entry) => entry.ifindex === ifindex);
  for (const address of ends) {
    const length = ADDRESS_BITS[address.family];
    if (!present.some((entry) => sameAddress(entry.address, address))) kernel.addAddress({ ifindex, address, length });
  }
  for (const entry of present) {
    const kept =
      ends.some((end) => sameAddress(end, entry.address)) || entry.length < ADDRESS_BITS[entry.address.family];
    if (!kept) kernel.deleteAddress(entry);
  }
}

/**
 * Tells the device of all nodes behind it and of no others: nothing is ever asked or learned on it.
 * @returns What the kernel refused; the others are in place.
 */
export function applyTunnelNodes(
  kernel: Pick<
    Rtnetlink,
    "tunnelPeers" | "replaceTunnelPeer" | "deleteTunnelPeer" | "neighbours" | "replaceNeighbour" | "deleteNeighbour"
  >,
  ifindex: number,
  nodes: readonly TunnelNode[],
): string[] {
  const problems: string[] = [];
  const attempt = (what: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      problems.push(`tunnel to ${what}: ${explainError(error)}`);
    }
  };
  const peers = kernel.tunnelPeers(ifindex);
  const neighbours = kernel.neighbours(ifindex);
  const remotes = new Map(nodes.map(({ mac, remote }) => [printMac(mac), remote]));
  const ends = new Map(nodes.flatMap((node) => node.ends.map((end) => [printAddress(end), node.mac] as const)));
  for (const peer of peers) {
    if (!remotes.has(printMac(peer.mac))) attempt(printAddress(peer.remote), () => kernel.deleteTunnelPeer(peer));
  }
  for (const neighbour of neighbours) {
    const text = printAddress(neighbour.address);
    if (!ends.has(text)) attempt(text, () => kernel.deleteNeighbour(neighbour));
  }
  for (const { mac, remote, ends: own } of nodes) {
    const known = peers.find((peer) => printMac(peer.mac) === printMac(mac));
    if (known === undefined || !sameAddress(known.remote, remote)) {
      attempt(printAddress(remote), () => kernel.replaceTunnelPeer({ ifindex, mac, remote }));
    }
    for (const address of own) {
      const met = neighbours.find((neighbour) => sameAddress(neighbour.address, address));
      if (met !== undefined && printMac(met.mac) === printMac(mac)) continue;
      attempt(printAddress(address), () => kernel.replaceNeighbour({ ifindex, address, mac }));
    }
  }
  return problems;
}

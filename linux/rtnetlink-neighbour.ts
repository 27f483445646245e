import { type Address, addressFromBytes, addressToBytes, printAddress, printMac } from "../net/mod.ts";
import { AF_INET, AF_INET6 } from "./libc.ts";
import {
  type Attribute,
  decodeAttributes,
  encodePayload,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  uint32,
} from "./netlink-message.ts";

export interface Neighbour {
  readonly ifindex: number;
  readonly address: Address;
  readonly mac: Uint8Array;
}

/** Where a VXLAN sends frames for a MAC address: an entry of its forwarding database. */
export interface TunnelPeer {
  /** Of the VXLAN. */
  readonly ifindex: number;
  readonly mac: Uint8Array;
  /** The other end of the tunnel. */
  readonly remote: Address;
}

/** linux/rtnetlink.h and linux/neighbour.h. */
export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const NDA = { DST: 1, LLADDR: 2, IFINDEX: 8 } as const;
const NUD_PERMANENT = 0x80;
const NTF_USE = 0x01;
const NTF_SELF = 0x02;
const AF_BRIDGE = 7;
/** States in which the MAC address means nothing: incomplete, failed, no ARP. */
const NUD_WITHOUT_MAC = 0x01 | 0x20 | 0x40;

/** The kernel filters by the attribute; the field of the header has to be zero. */
export function listNeighbours(ifindex: number): NetlinkRequest {
  const payload = encodePayload(new Uint8Array(HEADER_LENGTH), [[NDA.IFINDEX, uint32(ifindex)]]);
  return { what: `list the neighbours on the link of index ${ifindex}`, type: RTM_GETNEIGH, payload };
}

/** Permanent: the kernel neither asks for it nor forgets it. */
export function replaceNeighbour({ ifindex, address, mac }: Neighbour): NetlinkRequest {
  const header = encodeHeader(address.family === "ipv4" ? AF_INET : AF_INET6, ifindex, NUD_PERMANENT, 0);
  const attributes: Attribute[] = [
    [NDA.DST, addressToBytes(address)],
    [NDA.LLADDR, mac],
  ];
  const what = `set neighbour ${printAddress(address)} to ${printMac(mac)} on the link of index ${ifindex}`;
  const payload = encodePayload(header, attributes);
  return { what, type: RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE, payload };
}

/** As if there were a packet for it. No change to an entry that has a MAC address. */
export function askForNeighbour({ ifindex, address }: Omit<Neighbour, "mac">): NetlinkRequest {
  const header = encodeHeader(address.family === "ipv4" ? AF_INET : AF_INET6, ifindex, 0, NTF_USE);
  const what = `ask for neighbour ${printAddress(address)} on the link of index ${ifindex}`;
  const payload = encodePayload(header, [[NDA.DST, addressToBytes(address)]]);
  return { what, type: RTM_NEWNEIGH, flags: NLM_F_CREATE, payload };
}

export function removeNeighbour({ ifindex, address }: Neighbour): NetlinkRequest {
  const header = encodeHeader(address.family === "ipv4" ? AF_INET : AF_INET6, ifindex, 0, 0);
  const what = `delete neighbour ${printAddress(address)} on the link of index ${ifindex}`;
  return { what, type: RTM_DELNEIGH, payload: encodePayload(header, [[NDA.DST, addressToBytes(address)]]) };
}

export function listTunnelPeers(ifindex: number): NetlinkRequest {
  const payload = encodeHeader(AF_BRIDGE, ifindex, 0, 0);
  return { what: `list the tunnel peers of the link of index ${ifindex}`, type: RTM_GETNEIGH, payload };
}

export function replaceTunnelPeer(peer: TunnelPeer): NetlinkRequest {
  const what = `send frames for ${printMac(peer.mac)} to ${printAddress(peer.remote)}`;
  return { what, type: RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE, payload: encodeTunnelPeer(peer) };
}

export function removeTunnelPeer(peer: TunnelPeer): NetlinkRequest {
  const what = `send no frames for ${printMac(peer.mac)} to ${printAddress(peer.remote)}`;
  return { what, type: RTM_DELNEIGH, payload: encodeTunnelPeer(peer) };
}

/** Undefined for entries of another link or without a remote end. @throws {IronbridgeError} IB_WIRE_TRUNCATED */
export function decodeTunnelPeer({ payload }: NetlinkMessage, ifindex: number): TunnelPeer | undefined {
  const attributes = decodeAttributes(payload, HEADER_LENGTH);
  const view = new DataView(payload.buffer, payload.byteOffset);
  const mac = attributes.get(NDA.LLADDR);
  const remote = attributes.get(NDA.DST);
  if (view.getUint8(0) !== AF_BRIDGE || view.getInt32(4, true) !== ifindex) return undefined;
  return mac === undefined || remote === undefined ? undefined : { ifindex, mac, remote: addressFromBytes(remote) };
}

function encodeTunnelPeer({ ifindex, mac, remote }: TunnelPeer): Uint8Array {
  return encodePayload(encodeHeader(AF_BRIDGE, ifindex, NUD_PERMANENT, NTF_SELF), [
    [NDA.LLADDR, mac],
    [NDA.DST, addressToBytes(remote)],
  ]);
}

/** A neighbour whose MAC address is known, else undefined. @throws {IronbridgeError} IB_WIRE_TRUNCATED */
export function decodeNeighbour({ payload }: NetlinkMessage): Neighbour | undefined {
  const attributes = decodeAttributes(payload, HEADER_LENGTH);
  const view = new DataView(payload.buffer, payload.byteOffset);
  const family = view.getUint8(0);
  const address = attributes.get(NDA.DST);
  const mac = attributes.get(NDA.LLADDR);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  if (address === undefined || mac === undefined || (view.getUint16(8, true) & NUD_WITHOUT_MAC) !== 0) return undefined;
  return { ifindex: view.getInt32(4, true), address: addressFromBytes(address), mac };
}

/** linux/neighbour.h struct ndmsg: family 1, padding 3, index 4, state 2, flags 1, type 1. */
const HEADER_LENGTH = 12;

function encodeHeader(family: number, ifindex: number, state: number, flags: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER_LENGTH));
  view.setUint8(0, family);
  view.setInt32(4, ifindex, true);
  view.setUint16(8, state, true);
  view.setUint8(10, flags);
  return new Uint8Array(view.buffer);
}

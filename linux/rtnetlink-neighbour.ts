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

/** linux/rtnetlink.h and linux/neighbour.h. */
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;
const NDA = { DST: 1, LLADDR: 2, IFINDEX: 8 } as const;
const NUD_PERMANENT = 0x80;
/** States in which the MAC address means nothing: incomplete, failed, no ARP. */
const NUD_WITHOUT_MAC = 0x01 | 0x20 | 0x40;

/** The kernel filters by the attribute; the field of the header has to be zero. */
export function listNeighbours(ifindex: number): NetlinkRequest {
  const payload = encodePayload(new Uint8Array(HEADER_LENGTH), [[NDA.IFINDEX, uint32(ifindex)]]);
  return { what: `list the neighbours on the link of index ${ifindex}`, type: RTM_GETNEIGH, payload };
}

/** Permanent: the kernel neither asks for it nor forgets it. */
export function replaceNeighbour({ ifindex, address, mac }: Neighbour): NetlinkRequest {
  const header = new DataView(new ArrayBuffer(HEADER_LENGTH));
  header.setUint8(0, address.family === "ipv4" ? AF_INET : AF_INET6);
  header.setInt32(4, ifindex, true);
  header.setUint16(8, NUD_PERMANENT, true);
  const attributes: Attribute[] = [
    [NDA.DST, addressToBytes(address)],
    [NDA.LLADDR, mac],
  ];
  const what = `set neighbour ${printAddress(address)} to ${printMac(mac)} on the link of index ${ifindex}`;
  const payload = encodePayload(new Uint8Array(header.buffer), attributes);
  return { what, type: RTM_NEWNEIGH, flags: NLM_F_CREATE | NLM_F_REPLACE, payload };
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

import { MAC_LENGTH } from "./mac.ts";

/** What a host asks or says about the hardware address of an IPv6 address. RFC 4861 sections 4.3 and 4.4. */
export type NdpPacket = NeighbourSolicitation | NeighbourAdvertisement;

interface Header {
  /** 16 octets each, network order. All zeros as the source: duplicate address detection, RFC 4862. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly target: Uint8Array;
}

export interface NeighbourSolicitation extends Header {
  readonly kind: "solicitation";
  /** 6 octets. */
  readonly sourceMac?: Uint8Array;
}

export interface NeighbourAdvertisement extends Header {
  readonly kind: "advertisement";
  /** An answer to a solicitation. */
  readonly solicited: boolean;
  /** Replaces what the receiver has cached. */
  readonly override: boolean;
  /** 6 octets. */
  readonly targetMac?: Uint8Array;
}

/** Version 1, traffic class and flow 3, length 2, next header 1, hop limit 1, source 16, destination 16. RFC 8200. */
export const IPV6_HEADER_LENGTH = 40;
/** Type 1, code 1, checksum 2, flags or reserved 4, target 16. */
const BODY_LENGTH = 24;
const OPTION_LENGTH = 8;
export const ICMPV6_PROTOCOL = 58;
/** A router decreases it, so that a packet with it was sent on this very link. RFC 4861 section 11.2. */
export const NDP_HOP_LIMIT = 255;
export const NdpType = { Solicitation: 135, Advertisement: 136 } as const;
const SOURCE_MAC_OPTION = 1;
const TARGET_MAC_OPTION = 2;
const SOLICITED = 0x40;
const OVERRIDE = 0x20;

/** ff02::1 */
export const ALL_NODES: Uint8Array = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const SOLICITED_NODE = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff);

/** The group that whoever has `address` listens to for solicitations. RFC 4291 section 2.7.1. */
export function solicitedNodeGroup(address: Uint8Array): Uint8Array {
  const group = new Uint8Array(16);
  group.set(SOLICITED_NODE);
  group.set(address.subarray(13), 13);
  return group;
}

/** The hardware address that packets to a group are sent to. RFC 2464 section 7. */
export function multicastMac(group: Uint8Array): Uint8Array {
  return Uint8Array.of(0x33, 0x33, ...group.subarray(12));
}

/** A whole IPv6 packet. */
export function encodeNdp(packet: NdpPacket): Uint8Array {
  const mac = packet.kind === "solicitation" ? packet.sourceMac : packet.targetMac;
  const length = BODY_LENGTH + (mac === undefined ? 0 : OPTION_LENGTH);
  const out = new Uint8Array(IPV6_HEADER_LENGTH + length);
  const view = new DataView(out.buffer);
  out[0] = 0x60;
  view.setUint16(4, length);
  out[6] = ICMPV6_PROTOCOL;
  out[7] = NDP_HOP_LIMIT;
  out.set(packet.source, 8);
  out.set(packet.destination, 24);
  const body = out.subarray(IPV6_HEADER_LENGTH);
  if (packet.kind === "solicitation") {
    body[0] = NdpType.Solicitation;
  } else {
    body[0] = NdpType.Advertisement;
    body[4] = (packet.solicited ? SOLICITED : 0) | (packet.override ? OVERRIDE : 0);
  }
  body.set(packet.target, 8);
  if (mac !== undefined) {
    body.set([packet.kind === "solicitation" ? SOURCE_MAC_OPTION : TARGET_MAC_OPTION, 1], BODY_LENGTH);
    body.set(mac, BODY_LENGTH + 2);
  }
  view.setUint16(IPV6_HEADER_LENGTH + 2, checksum(out, length));
  return out;
}

/**
 * Reads an IPv6 packet; octets after it are padding. Undefined for everything that is no solicitation or advertisement, or
 * that RFC 4861 sections 7.1.1 and 7.1.2 tell to discard silently: sent from afar, damaged, or against the rules.
 */
export function decodeNdp(bytes: Uint8Array): NdpPacket | undefined {
  if (bytes.length < IPV6_HEADER_LENGTH + BODY_LENGTH) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint16(4);
  if (bytes[0]! >>> 4 !== 6 || bytes[6] !== ICMPV6_PROTOCOL || bytes[7] !== NDP_HOP_LIMIT) return undefined;
  if (length < BODY_LENGTH || IPV6_HEADER_LENGTH + length > bytes.length) return undefined;
  const packet = bytes.subarray(0, IPV6_HEADER_LENGTH + length);
  const body = packet.subarray(IPV6_HEADER_LENGTH);
  if (body[1] !== 0 || checksum(packet, length) !== 0) return undefined;
  const options = readOptions(body.subarray(BODY_LENGTH));
  if (options === undefined) return undefined;
  const header = { source: packet.slice(8, 24), destination: packet.slice(24, 40), target: body.slice(8, 24) };
  if (isMulticast(header.target)) return undefined;
  if (body[0] === NdpType.Solicitation) return readSolicitation(header, options.get(SOURCE_MAC_OPTION));
  if (body[0] === NdpType.Advertisement) return readAdvertisement(header, body[4]!, options.get(TARGET_MAC_OPTION));
  return undefined;
}

export function isUnspecified(address: Uint8Array): boolean {
  return address.every((octet) => octet === 0);
}

function readSolicitation(header: Header, mac: Uint8Array | undefined): NeighbourSolicitation | undefined {
  const probe = isUnspecified(header.source);
  const toGroup = Buffer.compare(header.destination, solicitedNodeGroup(header.target)) === 0;
  if (probe && (mac !== undefined || !toGroup)) return undefined;
  return { kind: "solicitation", ...header, ...(mac === undefined ? {} : { sourceMac: mac }) };
}

function readAdvertisement(header: Header, flags: number, mac: Uint8Array | undefined): NdpPacket | undefined {
  const solicited = (flags & SOLICITED) !== 0;
  if (solicited && isMulticast(header.destination)) return undefined;
  const override = (flags & OVERRIDE) !== 0;
  return { kind: "advertisement", ...header, solicited, override, ...(mac === undefined ? {} : { targetMac: mac }) };
}

/** Type, length in units of 8 octets, value. Undefined when one has no length or is cut off; unknown ones are skipped. */
function readOptions(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> | undefined {
  const options = new Map<number, Uint8Array>();
  for (let offset = 0; offset < bytes.length; ) {
    const length = (bytes[offset + 1] ?? 0) * 8;
    if (length === 0 || offset + length > bytes.length) return undefined;
    options.set(bytes[offset]!, bytes.slice(offset + 2, offset + 2 + MAC_LENGTH));
    offset += length;
  }
  return options;
}

function isMulticast(address: Uint8Array): boolean {
  return address[0] === 0xff;
}

/** Over the pseudo header of RFC 8200 section 8.1 and the body; 0 for a packet whose own checksum is right. */
export function checksum(packet: Uint8Array, length: number): number {
  let sum = length + ICMPV6_PROTOCOL;
  for (let i = 8; i < IPV6_HEADER_LENGTH + length; i += 2) sum += (packet[i]! << 8) | (packet[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

import { decodeLinkPacket, encodeLinkPacket, encodeMacOption, MacOption, readMacOptions } from "./icmpv6.ts";

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

/** Flags or reserved 4, target 16. */
const FIELDS_LENGTH = 20;
export const NdpType = { Solicitation: 135, Advertisement: 136 } as const;
const SOLICITED = 0x40;
const OVERRIDE = 0x20;
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
  const solicits = packet.kind === "solicitation";
  const mac = solicits ? packet.sourceMac : packet.targetMac;
  const option = mac && encodeMacOption(solicits ? MacOption.Source : MacOption.Target, mac);
  const content = new Uint8Array(FIELDS_LENGTH + (option?.length ?? 0));
  if (!solicits) content[0] = (packet.solicited ? SOLICITED : 0) | (packet.override ? OVERRIDE : 0);
  content.set(packet.target, 4);
  if (option !== undefined) content.set(option, FIELDS_LENGTH);
  return encodeLinkPacket({ ...packet, type: solicits ? NdpType.Solicitation : NdpType.Advertisement, content });
}

/**
 * Reads an IPv6 packet; octets after it are padding. Undefined for everything that is no solicitation or advertisement, or
 * that RFC 4861 sections 7.1.1 and 7.1.2 tell to discard silently: sent from afar, damaged, or against the rules.
 */
export function decodeNdp(bytes: Uint8Array): NdpPacket | undefined {
  const packet = decodeLinkPacket(bytes, FIELDS_LENGTH);
  if (packet === undefined) return undefined;
  const { source, destination, type, content } = packet;
  const options = readMacOptions(content.subarray(FIELDS_LENGTH));
  if (options === undefined) return undefined;
  const header = { source, destination, target: content.subarray(4, FIELDS_LENGTH) };
  if (isMulticast(header.target)) return undefined;
  if (type === NdpType.Solicitation) return readSolicitation(header, options.get(MacOption.Source));
  if (type === NdpType.Advertisement) return readAdvertisement(header, content[0]!, options.get(MacOption.Target));
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

function isMulticast(address: Uint8Array): boolean {
  return address[0] === 0xff;
}

import { MAC_LENGTH } from "./mac.ts";

/** A packet of Neighbour Discovery: IPv6 to a host of the same link, and an ICMPv6 message. RFC 4861 section 4. */
export interface LinkPacket {
  /** 16 octets each, network order. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** ICMPv6 type. */
  readonly type: number;
  /** What follows type, code and checksum: fields, then options. */
  readonly content: Uint8Array;
}

/** Version 1, traffic class and flow 3, length 2, next header 1, hop limit 1, source 16, destination 16. RFC 8200. */
export const IPV6_HEADER_LENGTH = 40;
/** Type 1, code 1, checksum 2. RFC 4443 section 2.1. */
const ICMPV6_HEADER_LENGTH = 4;
export const ICMPV6_PROTOCOL = 58;
/** A router decreases it, so that a packet with it was sent on this very link. RFC 4861 section 11.2. */
export const NDP_HOP_LIMIT = 255;

/** ff02::1 */
export const ALL_NODES: Uint8Array = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

/** Options that hold a hardware address. RFC 4861 section 4.6.1. */
export const MacOption = { Source: 1, Target: 2 } as const;

/** Type 1, length in units of 8 octets 1, hardware address 6. */
export function encodeMacOption(type: number, mac: Uint8Array): Uint8Array {
  return Uint8Array.of(type, 1, ...mac);
}

/** Type, length in units of 8 octets, value. Undefined when one has no length or is cut off; unknown ones are skipped. */
export function readMacOptions(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> | undefined {
  const options = new Map<number, Uint8Array>();
  for (let offset = 0; offset < bytes.length; ) {
    const length = (bytes[offset + 1] ?? 0) * 8;
    if (length === 0 || offset + length > bytes.length) return undefined;
    options.set(bytes[offset]!, bytes.slice(offset + 2, offset + 2 + MAC_LENGTH));
    offset += length;
  }
  return options;
}

/** A whole IPv6 packet. */
export function encodeLinkPacket({ source, destination, type, content }: LinkPacket): Uint8Array {
  const length = ICMPV6_HEADER_LENGTH + content.length;
  const out = new Uint8Array(IPV6_HEADER_LENGTH + length);
  const view = new DataView(out.buffer);
  out[0] = 0x60;
  view.setUint16(4, length);
  out[6] = ICMPV6_PROTOCOL;
  out[7] = NDP_HOP_LIMIT;
  out.set(source, 8);
  out.set(destination, 24);
  out[IPV6_HEADER_LENGTH] = type;
  out.set(content, IPV6_HEADER_LENGTH + ICMPV6_HEADER_LENGTH);
  view.setUint16(IPV6_HEADER_LENGTH + 2, checksum(out, length));
  return out;
}

/**
 * Reads an IPv6 packet; octets after it are padding. Undefined for everything that is no message of Neighbour Discovery with
 * a content of `contentLength` octets or more, and for those that RFC 4861 tells to discard: sent from afar, damaged, or
 * with a code.
 */
export function decodeLinkPacket(bytes: Uint8Array, contentLength: number): LinkPacket | undefined {
  const shortest = ICMPV6_HEADER_LENGTH + contentLength;
  if (bytes.length < IPV6_HEADER_LENGTH + shortest) return undefined;
  const length = (bytes[4]! << 8) | bytes[5]!;
  if (bytes[0]! >>> 4 !== 6 || bytes[6] !== ICMPV6_PROTOCOL || bytes[7] !== NDP_HOP_LIMIT) return undefined;
  if (length < shortest || IPV6_HEADER_LENGTH + length > bytes.length) return undefined;
  const packet = bytes.slice(0, IPV6_HEADER_LENGTH + length);
  const message = packet.subarray(IPV6_HEADER_LENGTH);
  if (message[1] !== 0 || checksum(packet, length) !== 0) return undefined;
  const content = message.subarray(ICMPV6_HEADER_LENGTH);
  return { source: packet.subarray(8, 24), destination: packet.subarray(24, 40), type: message[0]!, content };
}

/** Over the pseudo header of RFC 8200 section 8.1 and the message; 0 for a packet whose own checksum is right. */
function checksum(packet: Uint8Array, length: number): number {
  let sum = length + ICMPV6_PROTOCOL;
  for (let i = 8; i < IPV6_HEADER_LENGTH + length; i += 2) sum += (packet[i]! << 8) | (packet[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

import { ALL_NODES, checksum, ICMPV6_PROTOCOL, IPV6_HEADER_LENGTH, NDP_HOP_LIMIT } from "./ndp.ts";

/** ICMPv6 type of a router advertisement: RFC 4861 section 4.2. */
export const ROUTER_ADVERTISEMENT = 134;
/** Type 1, code 1, checksum 2, hop limit 1, flags 1, lifetime 2, reachable time 4, retransmit timer 4. */
const BODY_LENGTH = 16;
const SOURCE_MAC_OPTION = 1;
const OPTION_LENGTH = 8;

/**
 * An IPv6 packet to all hosts of a link that says "I am here" and no more: a lifetime of 0 makes nobody send through us.
 * Routers find by it who is at the other end of a link.
 * @param source Our link-local address, 16 octets.
 * @param mac 6 octets.
 */
export function encodeRouterAdvertisement(source: Uint8Array, mac: Uint8Array): Uint8Array {
  const length = BODY_LENGTH + OPTION_LENGTH;
  const out = new Uint8Array(IPV6_HEADER_LENGTH + length);
  const view = new DataView(out.buffer);
  out[0] = 0x60;
  view.setUint16(4, length);
  out[6] = ICMPV6_PROTOCOL;
  out[7] = NDP_HOP_LIMIT;
  out.set(source, 8);
  out.set(ALL_NODES, 24);
  out[IPV6_HEADER_LENGTH] = ROUTER_ADVERTISEMENT;
  out.set([SOURCE_MAC_OPTION, 1, ...mac], IPV6_HEADER_LENGTH + BODY_LENGTH);
  view.setUint16(IPV6_HEADER_LENGTH + 2, checksum(out, length));
  return out;
}

/**
 * Who sent a router advertisement: 16 octets. Undefined for any other packet, and for those that RFC 4861 section 6.1.2
 * tells to discard: sent from afar, damaged, or not from a link-local address.
 */
export function readRouterAdvertisement(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < IPV6_HEADER_LENGTH + BODY_LENGTH) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint16(4);
  if (bytes[0]! >>> 4 !== 6 || bytes[6] !== ICMPV6_PROTOCOL || bytes[7] !== NDP_HOP_LIMIT) return undefined;
  if (length < BODY_LENGTH || IPV6_HEADER_LENGTH + length > bytes.length) return undefined;
  const packet = bytes.subarray(0, IPV6_HEADER_LENGTH + length);
  if (packet[IPV6_HEADER_LENGTH] !== ROUTER_ADVERTISEMENT || packet[IPV6_HEADER_LENGTH + 1] !== 0) return undefined;
  const source = packet.slice(8, 24);
  const linkLocal = source[0] === 0xfe && (source[1]! & 0xc0) === 0x80;
  return linkLocal && checksum(packet, length) === 0 ? source : undefined;
}

import { ALL_NODES, decodeLinkPacket, encodeLinkPacket, encodeMacOption, MacOption } from "./icmpv6.ts";

/** ICMPv6 type of a router advertisement: RFC 4861 section 4.2. */
export const ROUTER_ADVERTISEMENT = 134;
/** Hop limit 1, flags 1, lifetime 2, reachable time 4, retransmit timer 4. */
const FIELDS_LENGTH = 12;

/**
 * An IPv6 packet to all hosts of a link that says "I am here" and no more: a lifetime of 0 makes nobody send through us.
 * Routers find by it who is at the other end of a link.
 * @param source Our link-local address, 16 octets.
 * @param mac 6 octets.
 */
export function encodeRouterAdvertisement(source: Uint8Array, mac: Uint8Array): Uint8Array {
  const content = Uint8Array.of(...new Uint8Array(FIELDS_LENGTH), ...encodeMacOption(MacOption.Source, mac));
  return encodeLinkPacket({ source, destination: ALL_NODES, type: ROUTER_ADVERTISEMENT, content });
}

/**
 * Who sent a router advertisement: 16 octets. Undefined for any other packet, and for those that RFC 4861 section 6.1.2
 * tells to discard: sent from afar, damaged, or not from a link-local address.
 */
export function readRouterAdvertisement(bytes: Uint8Array): Uint8Array | undefined {
  const packet = decodeLinkPacket(bytes, FIELDS_LENGTH);
  if (packet?.type !== ROUTER_ADVERTISEMENT) return undefined;
  const { source } = packet;
  const linkLocal = source[0] === 0xfe && (source[1]! & 0xc0) === 0x80;
  return linkLocal ? source : undefined;
}

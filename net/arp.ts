import { IronbridgeError } from "../core/mod.ts";
import { BROADCAST_MAC } from "./mac.ts";

export const ArpOperation = { Request: 1, Reply: 2 } as const;
export type ArpOperation = (typeof ArpOperation)[keyof typeof ArpOperation];

/** An ARP packet for IPv4 over Ethernet. RFC 826, "Packet format". */
export interface ArpPacket {
  readonly operation: ArpOperation;
  /** 6 octets. */
  readonly senderMac: Uint8Array;
  /** 4 octets, network order. */
  readonly senderIp: Uint8Array;
  readonly targetMac: Uint8Array;
  readonly targetIp: Uint8Array;
}

/** htype 2 + ptype 2 + hlen 1 + plen 1 + oper 2 + two (mac 6 + ip 4). */
export const ARP_LENGTH = 28;
/** htype Ethernet, ptype IPv4, hlen 6, plen 4: the only kind Ironbridge speaks. */
const PREAMBLE = Uint8Array.of(0, 1, 8, 0, 6, 4);

export function encodeArp(packet: ArpPacket): Uint8Array {
  const out = new Uint8Array(ARP_LENGTH);
  out.set(PREAMBLE, 0);
  out[7] = packet.operation;
  out.set(packet.senderMac, 8);
  out.set(packet.senderIp, 14);
  out.set(packet.targetMac, 18);
  out.set(packet.targetIp, 24);
  return out;
}

/**
 * Reads an ARP packet, or returns undefined for one that is well formed but not IPv4 over Ethernet.
 * Octets after the packet are padding and ignored.
 * @throws {IronbridgeError} IB_WIRE_TRUNCATED when fewer than 28 octets are given.
 */
export function decodeArp(bytes: Uint8Array): ArpPacket | undefined {
  if (bytes.length < ARP_LENGTH) {
    throw new IronbridgeError("IB_WIRE_TRUNCATED", `ARP packet of ${bytes.length} octets, want ${ARP_LENGTH}`);
  }
  if (!PREAMBLE.every((octet, i) => bytes[i] === octet)) return undefined;
  const operation = (bytes[6]! << 8) | bytes[7]!;
  if (operation !== ArpOperation.Request && operation !== ArpOperation.Reply) return undefined;
  return {
    operation,
    senderMac: bytes.slice(8, 14),
    senderIp: bytes.slice(14, 18),
    targetMac: bytes.slice(18, 24),
    targetIp: bytes.slice(24, 28),
  };
}

/** The answer to `request`: its target address is at `mac`. */
export function arpReply(request: ArpPacket, mac: Uint8Array): ArpPacket {
  return {
    operation: ArpOperation.Reply,
    senderMac: mac,
    senderIp: request.targetIp,
    targetMac: request.senderMac,
    targetIp: request.senderIp,
  };
}

/**
 * An announcement nobody asked for: `ip` is at `mac`. Some hosts heed only requests and some only replies, so a round is
 * one of each. RFC 5227 section 3 "ARP announcement"; the target MAC is the broadcast address as MetalLB sends it.
 */
export function gratuitousArp(operation: ArpOperation, ip: Uint8Array, mac: Uint8Array): ArpPacket {
  return { operation, senderMac: mac, senderIp: ip, targetMac: BROADCAST_MAC, targetIp: ip };
}

import { IronbridgeError } from "../core/mod.ts";
import { MAC_LENGTH } from "./mac.ts";

/** linux/if_ether.h ETH_P_*. */
export const EtherType = { Arp: 0x0806, Ipv6: 0x86dd } as const;

/** An Ethernet frame without a VLAN tag (the kernel takes tags out before a packet socket sees a frame). IEEE 802.3. */
export interface EthernetFrame {
  /** 6 octets. */
  readonly destination: Uint8Array;
  readonly source: Uint8Array;
  readonly etherType: number;
  /** As received: may end in padding. */
  readonly payload: Uint8Array;
}

/** Two addresses and the type. */
export const ETHERNET_HEADER_LENGTH = 14;
/** Shorter payloads are padded with zeros: 64 octets on the wire, less header and checksum. */
const MIN_PAYLOAD = 46;

export function encodeEthernet(frame: EthernetFrame): Uint8Array {
  const out = new Uint8Array(ETHERNET_HEADER_LENGTH + Math.max(MIN_PAYLOAD, frame.payload.length));
  out.set(frame.destination, 0);
  out.set(frame.source, MAC_LENGTH);
  out[12] = frame.etherType >>> 8;
  out[13] = frame.etherType & 0xff;
  out.set(frame.payload, ETHERNET_HEADER_LENGTH);
  return out;
}

/** @throws {IronbridgeError} IB_WIRE_TRUNCATED when the header is not whole. */
export function decodeEthernet(bytes: Uint8Array): EthernetFrame {
  if (bytes.length < ETHERNET_HEADER_LENGTH) {
    throw new IronbridgeError(
      "IB_WIRE_TRUNCATED",
      `Ethernet frame of ${bytes.length} octets, want ${ETHERNET_HEADER_LENGTH} or more`,
    );
  }
  return {
    destination: bytes.slice(0, MAC_LENGTH),
    source: bytes.slice(MAC_LENGTH, 2 * MAC_LENGTH),
    etherType: (bytes[12]! << 8) | bytes[13]!,
    payload: bytes.slice(ETHERNET_HEADER_LENGTH),
  };
}

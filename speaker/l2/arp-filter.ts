import type { BpfInstruction } from "../../linux/mod.ts";
import {
  ARP_LENGTH,
  ArpOperation,
  type ArpPacket,
  BROADCAST_MAC,
  decodeArp,
  decodeEthernet,
  ETHERNET_HEADER_LENGTH,
  EtherType,
} from "../../net/mod.ts";

/** linux/bpf_common.h: load a half word from a fixed place; jump when equal; return a constant. */
const LOAD_HALF_ABSOLUTE = 0x28;
const JUMP_EQUAL = 0x15;
const RETURN = 0x06;
/** ARP starts behind the Ethernet header; its operation is 6 octets in (RFC 826). */
const OPERATION_OFFSET = ETHERNET_HEADER_LENGTH + 6;
const WHOLE_FRAME = 0xffff;

/** Passes ARP requests and drops the rest in the kernel. To be used on a socket that gets ARP frames only. */
export const ARP_REQUESTS_ONLY: readonly BpfInstruction[] = [
  { code: LOAD_HALF_ABSOLUTE, jt: 0, jf: 0, k: OPERATION_OFFSET },
  { code: JUMP_EQUAL, jt: 0, jf: 1, k: ArpOperation.Request },
  { code: RETURN, jt: 0, jf: 0, k: WHOLE_FRAME },
  { code: RETURN, jt: 0, jf: 0, k: 0 },
];

/** The ARP request in `frame` if it was sent to everybody or to `mac`; undefined for all else, whole or broken. */
export function readArpRequest(frame: Uint8Array, mac: Uint8Array): ArpPacket | undefined {
  if (frame.length < ETHERNET_HEADER_LENGTH + ARP_LENGTH) return undefined;
  const { destination, etherType, payload } = decodeEthernet(frame);
  if (etherType !== EtherType.Arp) return undefined;
  if (Buffer.compare(destination, BROADCAST_MAC) !== 0 && Buffer.compare(destination, mac) !== 0) return undefined;
  const packet = decodeArp(payload);
  return packet?.operation === ArpOperation.Request ? packet : undefined;
}

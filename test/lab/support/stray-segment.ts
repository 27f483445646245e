import { ETHERNET_HEADER_LENGTH } from "../../../net/mod.ts";

/** Octets of the header of IPv6, and of TCP without options. */
const [IPV6_HEADER, TCP_HEADER] = [40, 20];
const TCP = 6;
const [PSH, ACK] = [0x08, 0x10];
/** How far its sequence number is from where the connection is: outside of any window. */
const AWAY = 0x1000_0000;

/**
 * The answer to a TCP segment in a frame as a confused end or network would send it: it acknowledges what came, and is itself
 * far outside of the connection's window. Undefined for a frame that does not push data to `port`.
 */
export function strayAnswer(frame: Uint8Array, port: number): Uint8Array | undefined {
  const ip = viewOf(frame, ETHERNET_HEADER_LENGTH);
  const isIpv6 = ip.getUint8(0) >> 4 === 6;
  const ipHeader = isIpv6 ? IPV6_HEADER : (ip.getUint8(0) & 15) * 4;
  if (ip.getUint8(isIpv6 ? 6 : 9) !== TCP) return undefined;
  const tcp = viewOf(frame, ETHERNET_HEADER_LENGTH + ipHeader);
  if (tcp.getUint16(2) !== port || tcp.getUint8(13) !== (ACK | PSH)) return undefined;
  const length = (isIpv6 ? IPV6_HEADER + ip.getUint16(4) : ip.getUint16(2)) - ipHeader - (tcp.getUint8(12) >> 4) * 4;

  const answer = frame.slice(0, ETHERNET_HEADER_LENGTH + ipHeader + TCP_HEADER);
  swap(answer, 0, 6);
  const [source, size] = isIpv6 ? [8, 16] : [12, 4];
  swap(answer, ETHERNET_HEADER_LENGTH + source, size);
  const header = viewOf(answer, ETHERNET_HEADER_LENGTH);
  header.setUint16(isIpv6 ? 4 : 2, (isIpv6 ? 0 : ipHeader) + TCP_HEADER);
  if (!isIpv6) {
    header.setUint16(10, 0);
    header.setUint16(10, checksum(answer.subarray(ETHERNET_HEADER_LENGTH, ETHERNET_HEADER_LENGTH + ipHeader), 0));
  }
  const segment = viewOf(answer, ETHERNET_HEADER_LENGTH + ipHeader);
  segment.setUint16(0, port);
  segment.setUint16(2, tcp.getUint16(0));
  segment.setUint32(4, tcp.getUint32(8) + AWAY);
  segment.setUint32(8, tcp.getUint32(4) + length);
  segment.setUint16(12, ((TCP_HEADER / 4) << 12) | ACK);
  segment.setUint16(14, 0xffff); // window
  segment.setUint32(16, 0); // checksum, urgent pointer
  // The pseudo header is the addresses, which come just before the segment, the protocol and the length.
  const summed = answer.subarray(ETHERNET_HEADER_LENGTH + source);
  segment.setUint16(16, checksum(isIpv6 ? summed : withoutOptions(summed, ipHeader), TCP + TCP_HEADER));
  return answer;
}

/** Addresses of IPv4 and what follows its header. */
function withoutOptions(bytes: Uint8Array, ipHeader: number): Uint8Array {
  return Uint8Array.of(...bytes.subarray(0, 8), ...bytes.subarray(ipHeader - 12));
}

function swap(bytes: Uint8Array, at: number, size: number): void {
  const first = bytes.slice(at, at + size);
  bytes.copyWithin(at, at + size, at + 2 * size);
  bytes.set(first, at + size);
}

/** RFC 1071, of an even number of octets. */
function checksum(bytes: Uint8Array, start: number): number {
  const view = viewOf(bytes, 0);
  let sum = start;
  for (let at = 0; at < bytes.length; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function viewOf(bytes: Uint8Array, offset: number): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + offset);
}

import { IronbridgeError } from "../core/mod.ts";

/** One netlink message. linux/netlink.h struct nlmsghdr. Numbers are in host order, which is little on x64 and arm64. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** The socket that asked, or caused the event; 0 is the kernel. */
  readonly port: number;
  readonly payload: Uint8Array;
}

/** One thing asked of the kernel. `what` says it in words for the error: "create veth ib-abc". */
export interface NetlinkRequest {
  readonly what: string;
  readonly type: number;
  readonly flags?: number;
  readonly payload: Uint8Array;
}

/** Netlink protocols: linux/netlink.h. */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

/** linux/netlink.h. */
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_ECHO = 0x8;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

const HEADER = 16;
const ATTRIBUTE_HEADER = 4;
const NLA_F_NESTED = 0x8000;
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const ATTRIBUTE_TYPE_MASK = 0x3fff;

/** Attributes by their type; the last wins when one comes twice. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

/** What one attribute of a request holds: octets, text (zero-terminated on the wire), or more attributes. */
export type AttributeValue = Uint8Array | string | readonly Attribute[];
export type Attribute = readonly [type: number, value: AttributeValue];

export function encodeMessage(message: NetlinkMessage): Uint8Array {
  const out = new Uint8Array(HEADER + message.payload.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, out.length, true);
  view.setUint16(4, message.type, true);
  view.setUint16(6, message.flags, true);
  view.setUint32(8, message.sequence, true);
  view.setUint32(12, message.port, true);
  out.set(message.payload, HEADER);
  return out;
}

/** The messages of one datagram. @throws {IronbridgeError} IB_WIRE_TRUNCATED */
export function decodeMessages(bytes: Uint8Array): NetlinkMessage[] {
  const view = viewOf(bytes);
  const messages: NetlinkMessage[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = offset + HEADER <= bytes.length ? view.getUint32(offset, true) : 0;
    if (length < HEADER || offset + length > bytes.length) throw truncated("message", offset, bytes);
    messages.push({
      type: view.getUint16(offset + 4, true),
      flags: view.getUint16(offset + 6, true),
      sequence: view.getUint32(offset + 8, true),
      port: view.getUint32(offset + 12, true),
      payload: bytes.slice(offset + HEADER, offset + length),
    });
    offset += align(length);
  }
  return messages;
}

/**
 * A fixed structure followed by attributes: the payload of every rtnetlink request.
 * @throws {RangeError} when it is longer than SPACE.
 */
export function encodePayload(header: Uint8Array, attributes: readonly Attribute[]): Uint8Array {
  scratch.clear();
  scratch.write(header);
  scratch.writeAttributes(attributes);
  return scratch.copy();
}

export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  return encodePayload(new Uint8Array(), attributes);
}

/** The attributes from `start` to the end, in the memory of `bytes`. @throws {IronbridgeError} IB_WIRE_TRUNCATED */
export function decodeAttributes(bytes: Uint8Array, start = 0): Attributes {
  const view = viewOf(bytes);
  const attributes = new Map<number, Uint8Array>();
  for (let offset = start; offset < bytes.length; ) {
    const length = offset + ATTRIBUTE_HEADER <= bytes.length ? view.getUint16(offset, true) : 0;
    if (length < ATTRIBUTE_HEADER || offset + length > bytes.length) throw truncated("attribute", offset, bytes);
    const type = view.getUint16(offset + 2, true) & ATTRIBUTE_TYPE_MASK;
    attributes.set(type, bytes.subarray(offset + ATTRIBUTE_HEADER, offset + length));
    offset += align(length);
  }
  return attributes;
}

export function uint8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

export function uint32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** The number in an attribute of 4 octets; undefined when it is absent or shorter. */
export function readUint32(bytes: Uint8Array | undefined): number | undefined {
  return bytes !== undefined && bytes.length >= 4 ? viewOf(bytes).getUint32(0, true) : undefined;
}

/** Made once: it costs more than what it does. */
const TEXT = new TextDecoder();

/** The text in an attribute, without its terminating zero. */
export function readText(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const end = bytes.indexOf(0);
  return TEXT.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Octets of the longest payload here. */
const SPACE = 64 * 1024;

/** A payload in the making, written once from front to end, always in the same place: pods wait for requests to be made. */
class Scratch {
  readonly #bytes = Buffer.alloc(SPACE);
  #at = 0;

  write(octets: Uint8Array): void {
    this.#bytes.set(octets, this.#at);
    this.#at += align(octets.length);
  }

  writeAttributes(attributes: readonly Attribute[]): void {
    for (const [type, value] of attributes) this.#writeAttribute(type, value);
  }

  clear(): void {
    this.#bytes.fill(0, 0, this.#at);
    this.#at = 0;
  }

  copy(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(0, this.#at));
  }

  #writeAttribute(type: number, value: AttributeValue): void {
    const start = this.#at;
    this.#at += ATTRIBUTE_HEADER;
    let flags = 0;
    let length = ATTRIBUTE_HEADER;
    if (typeof value === "string") {
      length += this.#bytes.write(`${value}\0`, this.#at);
      this.#at = start + align(length);
    } else if (value instanceof Uint8Array) {
      length += value.length;
      this.write(value);
    } else {
      flags = NLA_F_NESTED;
      this.writeAttributes(value);
      length = this.#at - start;
    }
    this.#bytes.writeUInt16LE(length, start);
    this.#bytes.writeUInt16LE(type | flags, start + 2);
  }
}

const scratch = new Scratch();

/** NLMSG_ALIGN and NLA_ALIGN: to 4 octets. */
function align(length: number): number {
  return (length + 3) & ~3;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function truncated(what: string, offset: number, bytes: Uint8Array): IronbridgeError {
  return new IronbridgeError(
    "IB_WIRE_TRUNCATED",
    `netlink ${what} at octet ${offset} does not fit the ${bytes.length} octets received`,
  );
}

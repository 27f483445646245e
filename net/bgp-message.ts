import type { AsnWidth } from "./bgp-as-path.ts";
import {
  BgpErrorCode,
  type BgpNotification,
  BgpRefusal,
  decodeBgpNotification,
  encodeBgpNotification,
  HeaderError,
} from "./bgp-notification.ts";
import { type BgpOpen, decodeBgpOpen, encodeBgpOpen } from "./bgp-open.ts";
import { type BgpUpdate, decodeBgpUpdate, encodeBgpUpdate } from "./bgp-update.ts";

/** RFC 4271 section 4, RFC 2918. */
export type BgpMessage =
  | { readonly type: "open"; readonly open: BgpOpen }
  | { readonly type: "update"; readonly update: BgpUpdate }
  | { readonly type: "notification"; readonly notification: BgpNotification }
  | { readonly type: "keepalive" }
  | { readonly type: "routeRefresh"; readonly refresh: RouteRefresh };

/** "Send me all routes of this family again." RFC 2918; the subtype is RFC 7313's: 0 asks, 1 begins, 2 ends. */
export interface RouteRefresh {
  readonly afi: number;
  readonly subtype: number;
  readonly safi: number;
}

/** Marker 16, length 2, type 1. */
export const BGP_HEADER_LENGTH = 19;
/** Octets of a message; RFC 8654 allows the longer one once both sides said so. */
export const BGP_MESSAGE_LENGTH = { usual: 4096, extended: 65_535 } as const;

const TYPE = { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 } as const;
const NAMES = new Map<number, keyof typeof TYPE>(
  Object.entries(TYPE).map(([name, number]) => [number, name as keyof typeof TYPE]),
);
/** The least each type takes with its header: RFC 4271 section 6.1, RFC 7313 section 5. */
const LEAST: Readonly<Record<keyof typeof TYPE, number>> = {
  open: 29,
  update: 23,
  notification: 21,
  keepalive: 19,
  routeRefresh: 23,
};

export function encodeBgpMessage(message: BgpMessage, width: AsnWidth): Uint8Array {
  const body = encodeBody(message, width);
  const out = new Uint8Array(BGP_HEADER_LENGTH + body.length);
  out.fill(0xff, 0, 16);
  out[16] = out.length >>> 8;
  out[17] = out.length & 0xff;
  out[18] = TYPE[message.type];
  out.set(body, BGP_HEADER_LENGTH);
  return out;
}

function encodeBody(message: BgpMessage, width: AsnWidth): Uint8Array {
  switch (message.type) {
    case "open":
      return encodeBgpOpen(message.open);
    case "update":
      return encodeBgpUpdate(message.update, width);
    case "notification":
      return encodeBgpNotification(message.notification);
    case "keepalive":
      return new Uint8Array();
    case "routeRefresh": {
      const { afi, subtype, safi } = message.refresh;
      return Uint8Array.of(afi >>> 8, afi & 0xff, subtype, safi);
    }
  }
}

/**
 * Reads a whole message, header included, as BgpFramer cuts them.
 * @throws {BgpRefusal} with the NOTIFICATION that answers it
 */
export function decodeBgpMessage(bytes: Uint8Array, width: AsnWidth): BgpMessage {
  const type = NAMES.get(bytes[18] ?? 0);
  const body = bytes.subarray(BGP_HEADER_LENGTH);
  switch (type) {
    case "open":
      return { type, open: decodeBgpOpen(body) };
    case "update":
      return { type, update: decodeBgpUpdate(body, width) };
    case "notification":
      return { type, notification: decodeBgpNotification(body) };
    case "keepalive":
      return { type };
    case "routeRefresh":
      return { type, refresh: { afi: (body[0]! << 8) | body[1]!, subtype: body[2]!, safi: body[3]! } };
    case undefined:
      throw new BgpRefusal(`message type ${bytes[18]}`, BgpErrorCode.Header, HeaderError.BadType, bytes.slice(18, 19));
  }
}

/** Cuts what a connection delivers into messages, whatever the pieces it comes in. */
export class BgpFramer {
  #pending = new Uint8Array();
  /** Octets a message may have. */
  longest: number = BGP_MESSAGE_LENGTH.usual;

  push(piece: Uint8Array): void {
    if (this.#pending.length === 0) {
      this.#pending = new Uint8Array(piece);
      return;
    }
    const joined = new Uint8Array(this.#pending.length + piece.length);
    joined.set(this.#pending);
    joined.set(piece, this.#pending.length);
    this.#pending = joined;
  }

  /**
   * The next whole message, undefined until more comes.
   * @throws {BgpRefusal} Message Header Error; nothing after it can be read.
   */
  next(): Uint8Array | undefined {
    const pending = this.#pending;
    const marked = pending.subarray(0, 16);
    if (marked.some((octet) => octet !== 0xff)) {
      throw new BgpRefusal("the marker is not all ones", BgpErrorCode.Header, HeaderError.NotSynchronized);
    }
    if (pending.length < BGP_HEADER_LENGTH) return undefined;
    const length = (pending[16]! << 8) | pending[17]!;
    const type = NAMES.get(pending[18]!);
    if (type === undefined) {
      const data = pending.slice(18, 19);
      throw new BgpRefusal(`message type ${data[0]}`, BgpErrorCode.Header, HeaderError.BadType, data);
    }
    // An OPEN and a KEEPALIVE never get longer: RFC 8654 section 4.
    const longest = type === "open" || type === "keepalive" ? BGP_MESSAGE_LENGTH.usual : this.longest;
    const exact = type === "keepalive" && length !== BGP_HEADER_LENGTH;
    if (length < LEAST[type] || length > longest || exact) throw badLength(type, length, pending.slice(16, 18));
    if (type === "routeRefresh" && length !== LEAST.routeRefresh) {
      const data = pending.slice(0, Math.min(length, pending.length));
      throw new BgpRefusal(`a ROUTE-REFRESH of ${length} octets`, BgpErrorCode.RouteRefresh, 1, data);
    }
    if (pending.length < length) return undefined;
    this.#pending = pending.subarray(length);
    return pending.subarray(0, length);
  }
}

function badLength(type: string, length: number, data: Uint8Array): BgpRefusal {
  return new BgpRefusal(`message "${type}" of ${length} octets`, BgpErrorCode.Header, HeaderError.BadLength, data);
}

import { IronbridgeError } from "../core/mod.ts";

/** Why a session ends. RFC 4271 section 4.5. */
export interface BgpNotification {
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

/** RFC 4271 section 4.5, RFC 7313 (7), RFC 9687 (8). */
export const BgpErrorCode = {
  Header: 1,
  Open: 2,
  Update: 3,
  HoldTimer: 4,
  StateMachine: 5,
  Cease: 6,
  RouteRefresh: 7,
  SendHoldTimer: 8,
} as const;

/** RFC 4271 section 6.1. */
export const HeaderError = { NotSynchronized: 1, BadLength: 2, BadType: 3 } as const;
/** RFC 4271 section 6.2, RFC 5492 (7). */
export const OpenError = {
  Unspecific: 0,
  Version: 1,
  PeerAs: 2,
  Identifier: 3,
  OptionalParameter: 4,
  HoldTime: 6,
  Capability: 7,
} as const;
/** RFC 4271 section 6.3. */
export const UpdateError = { AttributeList: 1, OptionalAttribute: 9, NetworkField: 10 } as const;
/** RFC 6608: the state in which a message was out of place. */
export const StateMachineError = { OpenSent: 1, OpenConfirm: 2, Established: 3 } as const;
/** RFC 4486, RFC 8538 (9), RFC 9384 (10). */
export const CeaseError = {
  MaximumPrefixes: 1,
  AdministrativeShutdown: 2,
  PeerDeconfigured: 3,
  AdministrativeReset: 4,
  ConnectionRejected: 5,
  ConfigurationChange: 6,
  Collision: 7,
  OutOfResources: 8,
  HardReset: 9,
  BfdDown: 10,
} as const;

/** A message that breaks the protocol, with the NOTIFICATION that answers it. */
export class BgpRefusal extends IronbridgeError {
  readonly notification: BgpNotification;

  constructor(message: string, code: number, subcode: number, data: Uint8Array = NO_DATA) {
    super("IB_WIRE_MALFORMED", message);
    this.notification = { code, subcode, data };
  }
}

/** A fault in one path attribute that says nothing of which routes the message is about: RFC 7606 section 2. */
export class MalformedAttribute extends Error {}

export const NO_DATA = new Uint8Array();
/** Octets of a shutdown communication: RFC 9003 section 2. */
const LONGEST_COMMUNICATION = 255;

export function encodeBgpNotification({ code, subcode, data }: BgpNotification): Uint8Array {
  return Uint8Array.of(code, subcode, ...data);
}

/** @throws {BgpRefusal} RFC 4271 section 6.4: there is no answer to a broken NOTIFICATION, so callers only hang up. */
export function decodeBgpNotification(body: Uint8Array): BgpNotification {
  const [code, subcode] = body;
  if (code === undefined || subcode === undefined) {
    throw new BgpRefusal(`a NOTIFICATION of ${body.length} octets`, BgpErrorCode.Header, HeaderError.BadLength);
  }
  return { code, subcode, data: body.slice(2) };
}

/** A Cease with words for the operator of the other side; cut to what RFC 9003 allows, between characters. */
export function ceaseWith(subcode: number, text: string): BgpNotification {
  let words = text;
  let bytes = new TextEncoder().encode(words);
  while (bytes.length > LONGEST_COMMUNICATION) {
    words = [...words].slice(0, -1).join("");
    bytes = new TextEncoder().encode(words);
  }
  return { code: BgpErrorCode.Cease, subcode, data: Uint8Array.of(bytes.length, ...bytes) };
}

/** The same end, which lets the peer keep nothing though it keeps routes over NOTIFICATIONs. RFC 8538 section 3.1. */
export function hardResetWith({ code, subcode, data }: BgpNotification): BgpNotification {
  return { code: BgpErrorCode.Cease, subcode: CeaseError.HardReset, data: Uint8Array.of(code, subcode, ...data) };
}

/** The words that came with an administrative Cease, "" when there are none or they are not UTF-8. RFC 9003 section 2. */
export function communicationOf({ code, subcode, data }: BgpNotification): string {
  const administrative = subcode === CeaseError.AdministrativeShutdown || subcode === CeaseError.AdministrativeReset;
  const length = data[0] ?? 0;
  if (code !== BgpErrorCode.Cease || !administrative || length === 0 || data.length < 1 + length) return "";
  const text = new TextDecoder().decode(data.subarray(1, 1 + length));
  // Control characters would let a peer write what it likes into a log.
  return text.includes("\ufffd") ? "" : text.replace(/\p{Cc}/gu, " ");
}

/** "Cease/Administrative Shutdown: going down for repair", for logs and conditions. */
export function printBgpNotification(notification: BgpNotification): string {
  const { code, subcode } = notification;
  const [name = `error ${code}`, subcodes = {}] = NAMES[code] ?? [];
  const detail = subcode === 0 ? "" : `/${subcodes[subcode] ?? `subcode ${subcode}`}`;
  const words = communicationOf(notification);
  return `${name}${detail}${words === "" ? "" : `: ${words}`}`;
}

/** IANA, "BGP Error (Notification) Codes". */
const NAMES: Readonly<Record<number, readonly [string, Readonly<Record<number, string>>]>> = {
  1: ["Message Header Error", { 1: "Connection Not Synchronized", 2: "Bad Message Length", 3: "Bad Message Type" }],
  2: [
    "OPEN Message Error",
    {
      1: "Unsupported Version Number",
      2: "Bad Peer AS",
      3: "Bad BGP Identifier",
      4: "Unsupported Optional Parameter",
      6: "Unacceptable Hold Time",
      7: "Unsupported Capability",
      11: "Role Mismatch",
    },
  ],
  3: [
    "UPDATE Message Error",
    {
      1: "Malformed Attribute List",
      2: "Unrecognized Well-known Attribute",
      3: "Missing Well-known Attribute",
      4: "Attribute Flags Error",
      5: "Attribute Length Error",
      6: "Invalid ORIGIN Attribute",
      8: "Invalid NEXT_HOP Attribute",
      9: "Optional Attribute Error",
      10: "Invalid Network Field",
      11: "Malformed AS_PATH",
    },
  ],
  4: ["Hold Timer Expired", {}],
  5: [
    "Finite State Machine Error",
    {
      1: "Unexpected Message in OpenSent",
      2: "Unexpected Message in OpenConfirm",
      3: "Unexpected Message in Established",
    },
  ],
  6: [
    "Cease",
    {
      1: "Maximum Number of Prefixes Reached",
      2: "Administrative Shutdown",
      3: "Peer De-configured",
      4: "Administrative Reset",
      5: "Connection Rejected",
      6: "Other Configuration Change",
      7: "Connection Collision Resolution",
      8: "Out of Resources",
      9: "Hard Reset",
      10: "BFD Down",
    },
  ],
  7: ["ROUTE-REFRESH Message Error", { 1: "Invalid Message Length" }],
  8: ["Send Hold Timer Expired", {}],
};

import { IronbridgeError } from "../core/mod.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

/** RFC 5880 section 4.1. */
export const BfdState = { AdminDown: 0, Down: 1, Init: 2, Up: 3 } as const;
export type BfdState = (typeof BfdState)[keyof typeof BfdState];

/** Why a session last left Up. RFC 5880 section 4.1. */
export const BfdDiagnostic = { None: 0, TimeExpired: 1, EchoFailed: 2, NeighborDown: 3, AdminDown: 7 } as const;

/** A BFD Control packet. RFC 5880 section 4.1. Times are microseconds. */
export interface BfdPacket {
  readonly diagnostic: number;
  readonly state: BfdState;
  /** Asks for an answer at once, which has `final`. */
  readonly poll: boolean;
  readonly final: boolean;
  /** The sender's forwarding and its BFD do not share fate. */
  readonly independent: boolean;
  /** The sender wants no packets while the session is up. */
  readonly demand: boolean;
  /** Packets missed before the sender is gone, at least 1. */
  readonly multiplier: number;
  readonly myDiscriminator: number;
  readonly yourDiscriminator: number;
  readonly desiredMinTx: number;
  readonly requiredMinRx: number;
  /** 0: the sender does not loop echo packets back. */
  readonly requiredMinEchoRx: number;
}

/** Ports of RFC 5881 section 4 and RFC 5883 section 5. */
export const BFD_PORT = { control: 3784, echo: 3785, multiHop: 4784 } as const;
/** Source ports of control packets: RFC 5881 section 4. */
export const BFD_SOURCE_PORTS = { first: 49152, last: 65535 } as const;

const VERSION = 1;
const LENGTH = 24;
const BIT = {
  poll: 0x20,
  final: 0x10,
  independent: 0x08,
  authenticated: 0x04,
  demand: 0x02,
  multipoint: 0x01,
} as const;

export function encodeBfd(packet: BfdPacket): Uint8Array {
  const { poll, final, independent, demand } = packet;
  const bits =
    (poll ? BIT.poll : 0) | (final ? BIT.final : 0) | (independent ? BIT.independent : 0) | (demand ? BIT.demand : 0);
  return new ByteWriter()
    .uint8((VERSION << 5) | packet.diagnostic)
    .uint8((packet.state << 6) | bits)
    .uint8(packet.multiplier)
    .uint8(LENGTH)
    .uint32(packet.myDiscriminator)
    .uint32(packet.yourDiscriminator)
    .uint32(packet.desiredMinTx)
    .uint32(packet.requiredMinRx)
    .uint32(packet.requiredMinEchoRx)
    .take();
}

/**
 * Reads a control packet, or gives undefined for one that RFC 5880 section 6.8.6 has discarded: another version, no
 * discriminator, a multiplier of 0, authenticated or multipoint.
 * @throws {IronbridgeError} IB_WIRE_TRUNCATED when it is shorter than it says
 */
export function decodeBfd(bytes: Uint8Array): BfdPacket | undefined {
  const short = () => new IronbridgeError("IB_WIRE_TRUNCATED", `BFD packet of ${bytes.length} octets, want ${LENGTH}`);
  const reader = new ByteReader(bytes, short);
  const first = reader.uint8();
  const second = reader.uint8();
  const multiplier = reader.uint8();
  const length = reader.uint8();
  if (length < LENGTH || length > bytes.length) throw short();
  const has = (bit: number) => (second & bit) !== 0;
  const packet: BfdPacket = {
    diagnostic: first & 0x1f,
    state: (second >>> 6) as BfdState,
    poll: has(BIT.poll),
    final: has(BIT.final),
    independent: has(BIT.independent),
    demand: has(BIT.demand),
    multiplier,
    myDiscriminator: reader.uint32(),
    yourDiscriminator: reader.uint32(),
    desiredMinTx: reader.uint32(),
    requiredMinRx: reader.uint32(),
    requiredMinEchoRx: reader.uint32(),
  };
  if (first >>> 5 !== VERSION || has(BIT.authenticated) || has(BIT.multipoint)) return undefined;
  if (multiplier === 0 || packet.myDiscriminator === 0) return undefined;
  const nameless = packet.yourDiscriminator === 0;
  if (nameless && packet.state !== BfdState.Down && packet.state !== BfdState.AdminDown) return undefined;
  return packet;
}

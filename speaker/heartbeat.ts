import { createHmac, timingSafeEqual } from "node:crypto";
import { IronbridgeError } from "../core/mod.ts";
import {
  ADDRESS_BITS,
  addressFromBytes,
  addressToBytes,
  MAC_LENGTH,
  parseAddress,
  parseMac,
  printAddress,
  printMac,
} from "../net/mod.ts";
import type { Claim, Claims, Stance } from "./claim.ts";
import type { Stations } from "./station.ts";

/**
 * Where a member is in its life. A starting member claims nothing yet; one that left is gone for good; one that pauses stops
 * now and is back soon, while its kernel goes on forwarding.
 */
export const PHASES = ["starting", "running", "leaving", "left", "pausing"] as const;
export type Phase = (typeof PHASES)[number];

/** One packet of a conversation: who sent it and which of its packets it is. */
export interface Stamp {
  /** Drawn at random when the member's program starts; 0 means unknown. */
  readonly epoch: bigint;
  /** Counts the packets of one member to one other, from 1. */
  readonly sequence: number;
}

/** What one member tells one other, several times a second. */
export interface Heartbeat {
  readonly from: string;
  readonly stamp: Stamp;
  /** The receiver's own latest stamp: proves that this packet is no replay and that the sender hears the receiver. */
  readonly echo: Stamp;
  readonly phase: Phase;
  /** Asks for a heartbeat at once. */
  readonly probe: boolean;
  /** Which edition of the sender's claims is current. */
  readonly edition: number;
  /** The edition of the receiver's claims that the sender has whole. */
  readonly acknowledged: number;
  /** A piece of `edition`; sent until it is acknowledged. */
  readonly part?: ClaimsPart;
}

export interface ClaimsPart {
  readonly index: number;
  readonly count: number;
  readonly claims: Claims;
  readonly stations: Stations;
}

/**
 * magic 4, phase 1, probe 1, from length 1; after the name: stamp 12, echo 12, edition 4, acknowledged 4, part index 2,
 * part count 2, claims 2, stations 1; behind claims and stations one HMAC-SHA256 of all before them for each key, and their
 * number 1.
 */
const MAGIC = Uint8Array.from("IBH1", (letter) => letter.charCodeAt(0));
const FIXED_BEFORE_NAME = 7;
const FIXED_AFTER_NAME = 39;
/** Network 4, hardware address 6. */
const STATION_OCTETS = 4 + MAC_LENGTH;
const MAC_OCTETS = 32;
/** Octets of claims and stations in one datagram, so that no link with an MTU of 1500 (or an IPv6 minimum MTU) has to split it. */
const MAX_PART_OCTETS = 900;

const STANCES: readonly Stance[] = ["ready", "holds", "handsOver", "standsIn"];
const IPV6_BIT = 0x80;

/** Splits claims so that each part fits one datagram. No claims are one empty part: that too has to be said. */
export function splitClaims(claims: Claims, stations: Stations): ClaimsPart[] {
  const newPart = () => ({ claims: new Map<string, Claim>(), stations: new Map<number, string>() });
  const parts = [newPart()];
  let left = MAX_PART_OCTETS;
  const partWith = (octets: number) => {
    if (octets > left) {
      parts.push(newPart());
      left = MAX_PART_OCTETS;
    }
    left -= octets;
    return parts.at(-1)!;
  };
  for (const [network, mac] of stations) partWith(STATION_OCTETS).stations.set(network, mac);
  for (const [address, claim] of claims) {
    const size = 3 + (address.includes(":") ? ADDRESS_BITS.ipv6 : ADDRESS_BITS.ipv4) / 8;
    partWith(size).claims.set(address, claim);
  }
  return parts.map((part, index) => ({ index, count: parts.length, ...part }));
}

/** @param keys All of them: whoever has one of them can read it, so that a key can be replaced while members run. */
export function encodeHeartbeat(heartbeat: Heartbeat, keys: readonly Uint8Array[]): Uint8Array {
  const name = new TextEncoder().encode(heartbeat.from);
  const claims = [...(heartbeat.part?.claims ?? [])].map(encodeClaim);
  const stations = [...(heartbeat.part?.stations ?? [])].map(encodeStation);
  const entries = Buffer.concat([...claims, ...stations]);
  const body = FIXED_BEFORE_NAME + name.length + FIXED_AFTER_NAME + entries.length;
  const out = new Uint8Array(body + keys.length * MAC_OCTETS + 1);
  const view = new DataView(out.buffer);
  out.set(MAGIC, 0);
  view.setUint8(4, PHASES.indexOf(heartbeat.phase));
  view.setUint8(5, heartbeat.probe ? 1 : 0);
  view.setUint8(6, name.length);
  out.set(name, FIXED_BEFORE_NAME);

  const at = FIXED_BEFORE_NAME + name.length;
  view.setBigUint64(at, heartbeat.stamp.epoch);
  view.setUint32(at + 8, heartbeat.stamp.sequence);
  view.setBigUint64(at + 12, heartbeat.echo.epoch);
  view.setUint32(at + 20, heartbeat.echo.sequence);
  view.setUint32(at + 24, heartbeat.edition);
  view.setUint32(at + 28, heartbeat.acknowledged);
  view.setUint16(at + 32, heartbeat.part?.index ?? 0);
  view.setUint16(at + 34, heartbeat.part?.count ?? 0);
  view.setUint16(at + 36, claims.length);
  view.setUint8(at + 38, stations.length);
  out.set(entries, at + FIXED_AFTER_NAME);
  for (const [i, key] of keys.entries()) out.set(seal(out.subarray(0, body), key), body + i * MAC_OCTETS);
  out[out.length - 1] = keys.length;
  return out;
}

/**
 * Reads a heartbeat; undefined for a datagram that is none, "strange" for one that nobody with our keys made.
 * @throws {IronbridgeError} IB_WIRE_TRUNCATED for an authentic datagram that does not hold what it says: another version.
 */
export function decodeHeartbeat(bytes: Uint8Array, keys: readonly Uint8Array[]): Heartbeat | "strange" | undefined {
  const seals = bytes.at(-1) ?? 0;
  const body = bytes.length - seals * MAC_OCTETS - 1;
  if (seals === 0 || body < FIXED_BEFORE_NAME || !MAGIC.every((octet, i) => bytes[i] === octet)) return undefined;
  const given = Array.from({ length: seals }, (_, i) =>
    bytes.subarray(body + i * MAC_OCTETS, body + (i + 1) * MAC_OCTETS),
  );
  const right = keys.map((key) => seal(bytes.subarray(0, body), key));
  if (!right.some((ours) => given.some((theirs) => timingSafeEqual(ours, theirs)))) return "strange";

  const view = new DataView(bytes.buffer, bytes.byteOffset, body);
  const at = FIXED_BEFORE_NAME + view.getUint8(6);
  if (at + FIXED_AFTER_NAME > body) throw malformed(`${body} octets are too few for its name and fields`);
  const phase = PHASES[view.getUint8(4)];
  if (phase === undefined) throw malformed(`phase ${view.getUint8(4)} is unknown`);
  const count = view.getUint16(at + 34);
  const entries = bytes.subarray(at + FIXED_AFTER_NAME, body);
  const { claims, rest } = decodeClaims(entries, view.getUint16(at + 36));
  const stations = decodeStations(rest, view.getUint8(at + 38));
  return {
    from: new TextDecoder().decode(bytes.subarray(FIXED_BEFORE_NAME, at)),
    stamp: { epoch: view.getBigUint64(at), sequence: view.getUint32(at + 8) },
    echo: { epoch: view.getBigUint64(at + 12), sequence: view.getUint32(at + 20) },
    phase,
    probe: view.getUint8(5) === 1,
    edition: view.getUint32(at + 24),
    acknowledged: view.getUint32(at + 28),
    ...(count === 0 ? {} : { part: { index: view.getUint16(at + 32), count, claims, stations } }),
  };
}

/** Stance with the family in its top bit 1, score 2, address 4 or 16. */
function encodeClaim([text, claim]: readonly [string, Claim]): Uint8Array {
  const address = parseAddress(text);
  const family = address.family === "ipv6" ? IPV6_BIT : 0;
  const octets = addressToBytes(address);
  const out = new Uint8Array(3 + octets.length);
  out[0] = STANCES.indexOf(claim.stance) | family;
  out[1] = claim.score >>> 8;
  out[2] = claim.score & 0xff;
  out.set(octets, 3);
  return out;
}

function decodeClaims(bytes: Uint8Array, count: number): { readonly claims: Claims; readonly rest: Uint8Array } {
  const claims = new Map<string, Claim>();
  let offset = 0;
  for (let i = 0; i < count; i++) {
    const kind = bytes[offset] ?? 0;
    const end = offset + 3 + ADDRESS_BITS[(kind & IPV6_BIT) === 0 ? "ipv4" : "ipv6"] / 8;
    const stance = STANCES[kind & ~IPV6_BIT];
    if (end > bytes.length) throw malformed(`claim ${i + 1} of ${count} is cut off`);
    if (stance === undefined) throw malformed(`stance ${kind & ~IPV6_BIT} is unknown`);
    const score = (bytes[offset + 1]! << 8) | bytes[offset + 2]!;
    claims.set(printAddress(addressFromBytes(bytes.subarray(offset + 3, end))), { stance, score });
    offset = end;
  }
  return { claims, rest: bytes.subarray(offset) };
}

function encodeStation([network, mac]: readonly [number, string]): Uint8Array {
  const out = new Uint8Array(STATION_OCTETS);
  new DataView(out.buffer).setUint32(0, network);
  out.set(parseMac(mac), 4);
  return out;
}

function decodeStations(bytes: Uint8Array, count: number): Stations {
  if (bytes.length < count * STATION_OCTETS)
    throw malformed(`${bytes.length} octets are too few for ${count} stations`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return new Map(
    Array.from({ length: count }, (_, i) => {
      const at = i * STATION_OCTETS;
      return [view.getUint32(at), printMac(bytes.subarray(at + 4, at + STATION_OCTETS))];
    }),
  );
}

function seal(bytes: Uint8Array, key: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(bytes).digest();
}

function malformed(why: string): IronbridgeError {
  return new IronbridgeError("IB_WIRE_TRUNCATED", `heartbeat of another version: ${why}`);
}

import { type Address, addressFromBytes, addressToBytes, type Family } from "./address.ts";
import { Afi, SAFI_UNICAST } from "./bgp-capability.ts";
import { readNlri, writeNlri } from "./bgp-nlri.ts";
import { BgpErrorCode, BgpRefusal, UpdateError } from "./bgp-notification.ts";
import { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { Prefix } from "./prefix.ts";

/** Routes that are withdrawn, of any family: MP_UNREACH_NLRI, RFC 4760 section 4. */
export interface MpUnreach {
  readonly family: Family;
  readonly prefixes: readonly Prefix[];
}

/** Routes that are told, of any family: MP_REACH_NLRI, RFC 4760 section 3. */
export interface MpReach extends MpUnreach {
  /** One address, or a global and a link-local one (RFC 2545). */
  readonly nextHops: readonly Address[];
}

export function writeReach(writer: ByteWriter, { family, prefixes, nextHops }: MpReach): void {
  const octets = nextHops.map(addressToBytes);
  writer.uint16(Afi[family]).uint8(SAFI_UNICAST);
  writer.uint8(octets.reduce((sum, { length }) => sum + length, 0));
  for (const each of octets) writer.bytes(each);
  writer.uint8(0); // reserved
  writeNlri(writer, prefixes);
}

export function writeUnreach(writer: ByteWriter, { family, prefixes }: MpUnreach): void {
  writer.uint16(Afi[family]).uint8(SAFI_UNICAST);
  writeNlri(writer, prefixes);
}

/**
 * Undefined for a family that is not known here, which could not be agreed on: RFC 4760 section 7.
 * @throws {BgpRefusal} UPDATE Message Error: which routes are meant can't be told.
 */
export function readReach(value: Uint8Array): MpReach | undefined {
  const reader = new ByteReader(value, () => refuseFamily("MP_REACH_NLRI ends too early"));
  const family = readFamily(reader);
  const nextHops = reader.bytes(reader.uint8());
  reader.uint8(); // reserved
  const prefixes = reader.rest();
  if (family === undefined) return undefined;
  return { family, nextHops: readNextHops(nextHops), prefixes: readNlri(prefixes, family) };
}

/** As readReach(). */
export function readUnreach(value: Uint8Array): MpUnreach | undefined {
  const reader = new ByteReader(value, () => refuseFamily("MP_UNREACH_NLRI ends too early"));
  const family = readFamily(reader);
  const prefixes = reader.rest();
  return family && { family, prefixes: readNlri(prefixes, family) };
}

function readFamily(reader: ByteReader): Family | undefined {
  const afi = reader.uint16();
  const safi = reader.uint8();
  if (safi !== SAFI_UNICAST) return undefined;
  return afi === Afi.ipv4 ? "ipv4" : afi === Afi.ipv6 ? "ipv6" : undefined;
}

/** 4 octets, 16, or 32 for a global and a link-local address: RFC 2545 section 3, RFC 8950 section 3. */
function readNextHops(bytes: Uint8Array): Address[] {
  if (bytes.length === 32) return [addressFromBytes(bytes.subarray(0, 16)), addressFromBytes(bytes.subarray(16))];
  if (bytes.length !== 4 && bytes.length !== 16) throw refuseFamily(`a next hop of ${bytes.length} octets`);
  return [addressFromBytes(bytes)];
}

function refuseFamily(message: string): BgpRefusal {
  return new BgpRefusal(message, BgpErrorCode.Update, UpdateError.OptionalAttribute);
}

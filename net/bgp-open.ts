import { type BgpCapability, decodeBgpCapability, encodeBgpCapability } from "./bgp-capability.ts";
import { BgpErrorCode, BgpRefusal, OpenError } from "./bgp-notification.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

/** What a speaker says first. RFC 4271 section 4.2. */
export interface BgpOpen {
  /** 1 to 4294967295; above 65535 the field of two octets says AS_TRANS (RFC 6793). */
  readonly asn: number;
  /** Seconds; 0 or at least 3. */
  readonly holdTime: number;
  /** The router ID as an unsigned number of 32 bits, not 0. */
  readonly routerId: number;
  readonly capabilities: readonly BgpCapability[];
}

/** Stands for a number of four octets where only two fit: RFC 6793 section 9. */
export const AS_TRANS = 23456;
const BGP_VERSION = 4;
const PARAMETER_CAPABILITIES = 2;
/** Marks parameters with a length of two octets: RFC 9072. */
const EXTENDED_LENGTH = 255;

export function encodeBgpOpen(open: BgpOpen): Uint8Array {
  const capabilities = Uint8Array.from(open.capabilities.flatMap(encodeBgpCapability));
  const writer = new ByteWriter()
    .uint8(BGP_VERSION)
    .uint16(open.asn > 0xffff ? AS_TRANS : open.asn)
    .uint16(open.holdTime)
    .uint32(open.routerId);
  if (capabilities.length === 0) return writer.uint8(0).take();
  if (capabilities.length + 2 < EXTENDED_LENGTH) {
    writer
      .uint8(capabilities.length + 2)
      .uint8(PARAMETER_CAPABILITIES)
      .uint8(capabilities.length);
  } else {
    writer
      .uint8(EXTENDED_LENGTH)
      .uint8(EXTENDED_LENGTH)
      .uint16(capabilities.length + 3);
    writer.uint8(PARAMETER_CAPABILITIES).uint16(capabilities.length);
  }
  return writer.bytes(capabilities).take();
}

/** @throws {BgpRefusal} OPEN Message Error with the subcode of RFC 4271 section 6.2. */
export function decodeBgpOpen(body: Uint8Array): BgpOpen {
  const reader = new ByteReader(body, () =>
    refuse(`an OPEN of ${body.length} octets ends too early`, OpenError.Unspecific),
  );
  const version = reader.uint8();
  if (version !== BGP_VERSION) {
    throw refuse(`BGP version ${version}, want ${BGP_VERSION}`, OpenError.Version, Uint8Array.of(0, BGP_VERSION));
  }
  const shortAsn = reader.uint16();
  const holdTime = reader.uint16();
  const routerId = reader.uint32();
  const capabilities = readParameters(reader);
  const fourOctet = capabilities.find((capability) => capability.kind === "fourOctetAsn");
  const asn = fourOctet?.asn ?? shortAsn;
  if (asn === 0) throw refuse("the peer's AS number is 0", OpenError.PeerAs);
  if (holdTime === 1 || holdTime === 2) {
    throw refuse(`the peer offers a hold time of ${holdTime} s, want 0 or 3 and more`, OpenError.HoldTime);
  }
  if (routerId === 0) throw refuse("the peer's router ID is 0.0.0.0", OpenError.Identifier);
  return { asn, holdTime, routerId, capabilities };
}

function readParameters(reader: ByteReader): BgpCapability[] {
  const length = reader.uint8();
  const rest = reader.rest();
  const wide = length === EXTENDED_LENGTH && rest[0] === EXTENDED_LENGTH;
  const short = () => refuse("the optional parameters end too early", OpenError.Unspecific);
  const all = new ByteReader(wide ? rest.subarray(1) : rest, short);
  const parameters = new ByteReader(all.bytes(wide ? all.uint16() : length), short);
  if (all.left > 0) throw refuse(`${all.left} octets behind the optional parameters`, OpenError.Unspecific);
  const capabilities: BgpCapability[] = [];
  while (parameters.left > 0) {
    const type = parameters.uint8();
    const value = parameters.bytes(wide ? parameters.uint16() : parameters.uint8());
    if (type !== PARAMETER_CAPABILITIES) {
      throw refuse(`optional parameter ${type} is not known`, OpenError.OptionalParameter);
    }
    const each = new ByteReader(value, short);
    while (each.left > 0) capabilities.push(decodeBgpCapability(each.uint8(), each.bytes(each.uint8())));
  }
  return capabilities;
}

function refuse(message: string, subcode: number, data?: Uint8Array): BgpRefusal {
  return new BgpRefusal(message, BgpErrorCode.Open, subcode, data);
}

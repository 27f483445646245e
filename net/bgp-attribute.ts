import { type Address, addressFromBytes, addressToBytes } from "./address.ts";
import { type AsnWidth, type AsPathSegment, mergeAs4, readAsPath, writeAsPath } from "./bgp-as-path.ts";
import { BgpErrorCode, BgpRefusal, MalformedAttribute, UpdateError } from "./bgp-notification.ts";
import { type MpReach, type MpUnreach, readReach, readUnreach, writeReach, writeUnreach } from "./bgp-reach.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

/** RFC 4271 section 5.1.1. */
export const BgpOrigin = { Igp: 0, Egp: 1, Incomplete: 2 } as const;

/** What is said of routes besides their prefixes. Absent: the attribute is not there. */
export interface BgpAttributes {
  readonly origin?: number;
  readonly asPath?: readonly AsPathSegment[];
  /** Of the IPv4 routes of the message's own field. */
  readonly nextHop?: Address;
  readonly med?: number;
  readonly localPref?: number;
  readonly atomicAggregate?: true;
  /** RFC 1997: numbers of 32 bits. */
  readonly communities?: readonly number[];
  /** RFC 8092 */
  readonly largeCommunities?: readonly (readonly [number, number, number])[];
  /** RFC 4456 */
  readonly originatorId?: number;
  readonly clusterList?: readonly number[];
  readonly reach?: MpReach;
  readonly unreach?: MpUnreach;
  /** Optional attributes of other types, as received. */
  readonly others?: readonly { readonly flags: number; readonly type: number; readonly value: Uint8Array }[];
}

/** IANA "BGP Path Attributes". */
const TYPE = {
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  reach: 14,
  unreach: 15,
  as4Path: 17,
  largeCommunities: 32,
} as const;

const OPTIONAL = 0x80;
const TRANSITIVE = 0x40;
const EXTENDED = 0x10;
/** What the optional and transitive bits of each type have to be: RFC 4271 section 5, RFC 1997, 4456, 4760, 6793, 8092. */
const FLAGS: Readonly<Record<number, number>> = {
  [TYPE.origin]: TRANSITIVE,
  [TYPE.asPath]: TRANSITIVE,
  [TYPE.nextHop]: TRANSITIVE,
  [TYPE.med]: OPTIONAL,
  [TYPE.localPref]: TRANSITIVE,
  [TYPE.atomicAggregate]: TRANSITIVE,
  [TYPE.communities]: OPTIONAL | TRANSITIVE,
  [TYPE.originatorId]: OPTIONAL,
  [TYPE.clusterList]: OPTIONAL,
  [TYPE.reach]: OPTIONAL,
  [TYPE.unreach]: OPTIONAL,
  [TYPE.as4Path]: OPTIONAL | TRANSITIVE,
  [TYPE.largeCommunities]: OPTIONAL | TRANSITIVE,
};

export function encodeBgpAttributes(attributes: BgpAttributes, width: AsnWidth): Uint8Array {
  const writer = new ByteWriter();
  const { origin, asPath, nextHop, med, localPref, communities, largeCommunities, originatorId, clusterList } =
    attributes;
  // MP_REACH_NLRI and MP_UNREACH_NLRI come first: RFC 7606 section 5.1.
  if (attributes.reach) writeAttribute(writer, TYPE.reach, (each) => writeReach(each, attributes.reach!));
  if (attributes.unreach) writeAttribute(writer, TYPE.unreach, (each) => writeUnreach(each, attributes.unreach!));
  if (origin !== undefined) writeAttribute(writer, TYPE.origin, (each) => each.uint8(origin));
  if (asPath) writeAttribute(writer, TYPE.asPath, (each) => writeAsPath(each, asPath, width.fourOctetAsn));
  if (nextHop) writeAttribute(writer, TYPE.nextHop, (each) => each.bytes(addressToBytes(nextHop)));
  if (med !== undefined) writeAttribute(writer, TYPE.med, (each) => each.uint32(med));
  if (localPref !== undefined) writeAttribute(writer, TYPE.localPref, (each) => each.uint32(localPref));
  if (attributes.atomicAggregate) writeAttribute(writer, TYPE.atomicAggregate, () => {});
  if (communities) writeAttribute(writer, TYPE.communities, (each) => writeNumbers(each, communities));
  if (originatorId !== undefined) writeAttribute(writer, TYPE.originatorId, (each) => each.uint32(originatorId));
  if (clusterList) writeAttribute(writer, TYPE.clusterList, (each) => writeNumbers(each, clusterList));
  const needsAs4 = asPath?.some(({ asns }) => asns.some((asn) => asn > 0xffff)) ?? false;
  if (asPath && needsAs4 && !width.fourOctetAsn) {
    writeAttribute(writer, TYPE.as4Path, (each) => writeAsPath(each, asPath, true));
  }
  if (largeCommunities) {
    writeAttribute(writer, TYPE.largeCommunities, (each) => writeNumbers(each, largeCommunities.flat()));
  }
  for (const { flags, type, value } of attributes.others ?? []) {
    writeAttribute(writer, type, (each) => each.bytes(value), flags);
  }
  return writer.take();
}

function writeAttribute(
  writer: ByteWriter,
  type: number,
  write: (value: ByteWriter) => unknown,
  flags: number = FLAGS[type]!,
): void {
  const value = new ByteWriter();
  write(value);
  if (value.length > 0xff)
    writer
      .uint8(flags | EXTENDED)
      .uint8(type)
      .uint16(value.length);
  else
    writer
      .uint8(flags & ~EXTENDED)
      .uint8(type)
      .uint8(value.length);
  writer.bytes(value.take());
}

function writeNumbers(writer: ByteWriter, numbers: readonly number[]): void {
  for (const number of numbers) writer.uint32(number);
}

export interface DecodedAttributes {
  readonly attributes: BgpAttributes;
  /** Why all routes of the message count as withdrawn; undefined when they do not. RFC 7606 section 2. */
  readonly malformed?: string;
}

/**
 * Reads path attributes. A fault that leaves the routes known makes them count as withdrawn and the session go on.
 * @throws {BgpRefusal} UPDATE Message Error when the routes themselves can't be told: RFC 7606 sections 3 and 5.3.
 */
export function decodeBgpAttributes(bytes: Uint8Array, width: AsnWidth): DecodedAttributes {
  const found: { -readonly [K in keyof BgpAttributes]: BgpAttributes[K] } = {};
  const others: NonNullable<BgpAttributes["others"]>[number][] = [];
  let malformed: string | undefined;
  let as4Path: readonly AsPathSegment[] | undefined;
  const seen = new Set<number>();
  const short = () => new MalformedAttribute("the path attributes end within one");
  const reader = new ByteReader(bytes, short);
  while (reader.left > 0) {
    try {
      const flags = reader.uint8();
      const type = reader.uint8();
      const value = reader.bytes((flags & EXTENDED) !== 0 ? reader.uint16() : reader.uint8());
      if (isRepeated(type, seen)) continue;
      if (!(type in FLAGS) && (flags & OPTIONAL) === 0) {
        const message = `well-known attribute ${type} is not known`;
        throw new BgpRefusal(message, BgpErrorCode.Update, 2, Uint8Array.of(flags, type));
      }
      if (!(type in FLAGS)) others.push({ flags: flags & ~EXTENDED, type, value: value.slice() });
      else if ((flags & (OPTIONAL | TRANSITIVE)) !== FLAGS[type]) malformed ??= `attribute ${type} has flags ${flags}`;
      else if (type === TYPE.as4Path) as4Path = readAsPath(value, true);
      else Object.assign(found, readAttribute(type, value, width));
    } catch (error) {
      if (!(error instanceof MalformedAttribute)) throw error;
      malformed ??= error.message;
    }
  }
  if (as4Path !== undefined && !width.fourOctetAsn && found.asPath) found.asPath = mergeAs4(found.asPath, as4Path);
  if (others.length > 0) found.others = others;
  return { attributes: found, ...(malformed === undefined ? {} : { malformed }) };
}

/** Of an attribute that comes twice the first counts, but routes that come twice are a fault: RFC 7606 section 3 g. */
function isRepeated(type: number, seen: Set<number>): boolean {
  if (!seen.has(type)) {
    seen.add(type);
    return false;
  }
  if (type === TYPE.reach || type === TYPE.unreach) {
    throw new BgpRefusal(`attribute ${type} comes twice`, BgpErrorCode.Update, UpdateError.AttributeList);
  }
  return true;
}

function readAttribute(type: number, value: Uint8Array, width: AsnWidth): BgpAttributes {
  switch (type) {
    case TYPE.origin:
      return { origin: readOrigin(value) };
    case TYPE.asPath:
      return { asPath: readAsPath(value, width.fourOctetAsn) };
    case TYPE.nextHop:
      return { nextHop: readNextHop(value) };
    case TYPE.med:
      return { med: readNumber(type, value) };
    case TYPE.localPref:
      return { localPref: readNumber(type, value) };
    case TYPE.atomicAggregate:
      return { atomicAggregate: true };
    case TYPE.communities:
      return { communities: readNumbers(type, value, 1) };
    case TYPE.originatorId:
      return { originatorId: readNumber(type, value) };
    case TYPE.clusterList:
      return { clusterList: readNumbers(type, value, 1) };
    case TYPE.reach: {
      const reach = readReach(value);
      return reach === undefined ? {} : { reach };
    }
    case TYPE.unreach: {
      const unreach = readUnreach(value);
      return unreach === undefined ? {} : { unreach };
    }
    default: {
      const numbers = readNumbers(type, value, 3);
      const triple = (_: number, i: number) => [numbers[3 * i]!, numbers[3 * i + 1]!, numbers[3 * i + 2]!] as const;
      return { largeCommunities: Array.from({ length: numbers.length / 3 }, triple) };
    }
  }
}

function readOrigin(value: Uint8Array): number {
  const [origin] = value;
  if (value.length !== 1 || origin === undefined || origin > BgpOrigin.Incomplete) {
    throw new MalformedAttribute(`an ORIGIN of ${value.length} octets that says ${origin}`);
  }
  return origin;
}

function readNextHop(value: Uint8Array): Address {
  if (value.length !== 4) throw new MalformedAttribute(`a NEXT_HOP of ${value.length} octets`);
  return addressFromBytes(value);
}

function readNumber(type: number, value: Uint8Array): number {
  if (value.length !== 4) throw new MalformedAttribute(`attribute ${type} of ${value.length} octets, want 4`);
  return readNumbers(type, value, 1)[0]!;
}

/** @param multiple How many numbers of 32 bits make one value. */
function readNumbers(type: number, value: Uint8Array, multiple: number): number[] {
  if (value.length === 0 || value.length % (4 * multiple) !== 0) {
    throw new MalformedAttribute(`attribute ${type} of ${value.length} octets`);
  }
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  return Array.from({ length: value.length / 4 }, (_, i) => view.getUint32(4 * i));
}

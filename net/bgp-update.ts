import type { Family } from "./address.ts";
import type { AsnWidth } from "./bgp-as-path.ts";
import { type BgpAttributes, decodeBgpAttributes, encodeBgpAttributes } from "./bgp-attribute.ts";
import { nlriOctets, readNlri, writeNlri } from "./bgp-nlri.ts";
import { BgpErrorCode, BgpRefusal, UpdateError } from "./bgp-notification.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { Prefix } from "./prefix.ts";

/** Routes that came and went. RFC 4271 section 4.3. */
export interface BgpUpdate {
  /** IPv4; those of other families are in `attributes.unreach`. */
  readonly withdrawn: readonly Prefix[];
  readonly attributes: BgpAttributes;
  /** IPv4; those of other families are in `attributes.reach`. */
  readonly announced: readonly Prefix[];
  /** Why the routes count as withdrawn, though the message announces them. RFC 7606. */
  readonly malformed?: string;
}

export function encodeBgpUpdate({ withdrawn, attributes, announced }: BgpUpdate, width: AsnWidth): Uint8Array {
  const writer = new ByteWriter().uint16(nlriOctets(withdrawn));
  writeNlri(writer, withdrawn);
  const path = encodeBgpAttributes(attributes, width);
  writer.uint16(path.length).bytes(path);
  writeNlri(writer, announced);
  return writer.take();
}

/** @throws {BgpRefusal} UPDATE Message Error where RFC 7606 still ends the session. */
export function decodeBgpUpdate(body: Uint8Array, width: AsnWidth): BgpUpdate {
  const short = () => new BgpRefusal("an UPDATE ends too early", BgpErrorCode.Update, UpdateError.AttributeList);
  const reader = new ByteReader(body, short);
  const withdrawn = readNlri(reader.bytes(reader.uint16()), "ipv4");
  const { attributes, malformed } = decodeBgpAttributes(reader.bytes(reader.uint16()), width);
  const announced = readNlri(reader.rest(), "ipv4");
  const why = malformed ?? missing(attributes, announced);
  return { withdrawn, attributes, announced, ...(why === undefined ? {} : { malformed: why }) };
}

/** The mandatory attribute that is not there; routes without it count as withdrawn. RFC 7606 section 3 d. */
function missing({ origin, asPath, nextHop, reach }: BgpAttributes, announced: readonly Prefix[]): string | undefined {
  if (announced.length === 0 && (reach === undefined || reach.prefixes.length === 0)) return undefined;
  if (origin === undefined) return "ORIGIN is missing";
  if (asPath === undefined) return "AS_PATH is missing";
  return announced.length > 0 && nextHop === undefined ? "NEXT_HOP is missing" : undefined;
}

/** Says that all routes of a family have been sent: RFC 4724 section 2. */
export function endOfRib(family: Family): BgpUpdate {
  return { withdrawn: [], attributes: family === "ipv4" ? {} : { unreach: { family, prefixes: [] } }, announced: [] };
}

/** The family whose routes have all been sent, if this is what the message says. */
export function endOfRibOf({ withdrawn, attributes, announced }: BgpUpdate): Family | undefined {
  if (withdrawn.length + announced.length > 0) return undefined;
  const names = Object.keys(attributes);
  if (names.length === 0) return "ipv4";
  const { unreach } = attributes;
  return names.length === 1 && unreach?.prefixes.length === 0 ? unreach.family : undefined;
}

/** Cuts `prefixes` into runs that fit into `room` octets each; `room` holds the longest prefix at least. */
export function cutNlri(prefixes: readonly Prefix[], room: number): (readonly Prefix[])[] {
  const runs: Prefix[][] = [];
  let run: Prefix[] = [];
  let left = room;
  for (const prefix of prefixes) {
    const octets = 1 + Math.ceil(prefix.length / 8);
    if (octets > left) {
      runs.push(run);
      run = [];
      left = room;
    }
    run.push(prefix);
    left -= octets;
  }
  if (run.length > 0) runs.push(run);
  return runs;
}

import { MalformedAttribute } from "./bgp-notification.ts";
import { AS_TRANS } from "./bgp-open.ts";
import { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";

/** RFC 4271 section 4.3 b. */
export const AsSegment = { Set: 1, Sequence: 2 } as const;

export interface AsPathSegment {
  readonly type: number;
  /** 1 to 255 numbers. */
  readonly asns: readonly number[];
}

/** How both sides of a session write the numbers of autonomous systems. */
export interface AsnWidth {
  /** False: two octets, with AS4_PATH beside when a number needs four (RFC 6793). */
  readonly fourOctetAsn: boolean;
}

/** AS_PATH, or AS4_PATH where `fourOctet` is true: RFC 4271 section 4.3 b, RFC 6793. */
export function writeAsPath(writer: ByteWriter, path: readonly AsPathSegment[], fourOctet: boolean): void {
  for (const { type, asns } of path) {
    writer.uint8(type).uint8(asns.length);
    for (const asn of asns) {
      if (fourOctet) writer.uint32(asn);
      else writer.uint16(asn > 0xffff ? AS_TRANS : asn);
    }
  }
}

/** @throws {MalformedAttribute} */
export function readAsPath(value: Uint8Array, fourOctet: boolean): AsPathSegment[] {
  const reader = new ByteReader(value, () => new MalformedAttribute("AS_PATH ends within a segment"));
  const path: AsPathSegment[] = [];
  while (reader.left > 0) {
    const type = reader.uint8();
    const count = reader.uint8();
    // 3 and 4 are the confederation's (RFC 5065).
    if (type < 1 || type > 4 || count === 0) {
      throw new MalformedAttribute(`AS_PATH has a segment of type ${type} with ${count} numbers`);
    }
    path.push({ type, asns: Array.from({ length: count }, () => (fourOctet ? reader.uint32() : reader.uint16())) });
  }
  return path;
}

/** Puts the numbers of AS4_PATH in the place of the last ones of AS_PATH. RFC 6793 section 4.2.3. */
export function mergeAs4(path: readonly AsPathSegment[], as4Path: readonly AsPathSegment[]): readonly AsPathSegment[] {
  const lengthOf = (segments: readonly AsPathSegment[]) =>
    segments.reduce((sum, { type, asns }) => sum + (type === AsSegment.Sequence ? asns.length : 1), 0);
  let keep = lengthOf(path) - lengthOf(as4Path);
  if (keep < 0) return path;
  const head: AsPathSegment[] = [];
  for (const segment of path) {
    if (keep <= 0) break;
    const asns = segment.type === AsSegment.Sequence ? segment.asns.slice(0, keep) : segment.asns;
    head.push({ type: segment.type, asns });
    keep -= segment.type === AsSegment.Sequence ? asns.length : 1;
  }
  const [last, first] = [head.at(-1), as4Path[0]];
  if (last?.type !== AsSegment.Sequence || first?.type !== AsSegment.Sequence) return [...head, ...as4Path];
  return [...head.slice(0, -1), { ...last, asns: [...last.asns, ...first.asns] }, ...as4Path.slice(1)];
}

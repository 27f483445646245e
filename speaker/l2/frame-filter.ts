import { type BpfInstruction, FILTER_ACCEPT, FILTER_CODE, FILTER_DROP } from "../../linux/mod.ts";
import { ETHERNET_HEADER_LENGTH, ICMPV6_PROTOCOL, IPV6_HEADER_LENGTH, NDP_HOP_LIMIT, NdpType } from "../../net/mod.ts";

const { LOAD_BYTE, LOAD_WORD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_GREATER } = FILTER_CODE;

/** Places in a frame, in octets. RFC 826: sender address 14 and target address 24 octets into the packet. */
const ARP_SENDER = ETHERNET_HEADER_LENGTH + 14;
const ARP_TARGET = ETHERNET_HEADER_LENGTH + 24;
const NEXT_HEADER = ETHERNET_HEADER_LENGTH + 6;
const HOP_LIMIT = ETHERNET_HEADER_LENGTH + 7;
const ICMP_TYPE = ETHERNET_HEADER_LENGTH + IPV6_HEADER_LENGTH;
/** The last 32 bits of the target of a solicitation or advertisement. */
const NDP_TARGET_END = ICMP_TYPE + 20;

/** Jumps are 8 bits wide, so that a program can compare with so many ranges and no more. */
const MOST_RANGES = 24;

/** Numbers of 32 bits, both ends included. */
interface Span {
  readonly first: number;
  readonly last: number;
}

/**
 * Passes ARP frames about IPv4 `addresses`, asked for or claimed by their sender; the kernel drops the rest, so that a
 * busy network wakes nobody. For a socket that gets ARP frames only.
 */
export function arpFilter(addresses: readonly number[]): readonly BpfInstruction[] {
  const spans = coverSpans(addresses, MOST_RANGES);
  if (spans.length === 0) return [FILTER_DROP];
  const sender = matchSpans(ARP_SENDER, spans, 1 + 2 * spans.length + 1);
  const target = matchSpans(ARP_TARGET, spans, 1);
  return [...sender, ...target, FILTER_DROP, FILTER_ACCEPT];
}

/**
 * Passes neighbour solicitations and advertisements from this link about addresses that end in `endings`, their last 32
 * bits. For a socket that gets IPv6 frames only.
 */
export function ndpFilter(endings: readonly number[]): readonly BpfInstruction[] {
  const spans = coverSpans(endings, MOST_RANGES);
  if (spans.length === 0) return [FILTER_DROP];
  const target = matchSpans(NDP_TARGET_END, spans, 1);
  const toDrop = target.length;
  return [
    { code: LOAD_BYTE, jt: 0, jf: 0, k: NEXT_HEADER },
    { code: JUMP_EQUAL, jt: 0, jf: toDrop + 5, k: ICMPV6_PROTOCOL },
    { code: LOAD_BYTE, jt: 0, jf: 0, k: HOP_LIMIT },
    { code: JUMP_EQUAL, jt: 0, jf: toDrop + 3, k: NDP_HOP_LIMIT },
    { code: LOAD_BYTE, jt: 0, jf: 0, k: ICMP_TYPE },
    { code: JUMP_EQUAL, jt: 1, jf: 0, k: NdpType.Solicitation },
    { code: JUMP_EQUAL, jt: 0, jf: toDrop, k: NdpType.Advertisement },
    ...target,
    FILTER_DROP,
    FILTER_ACCEPT,
  ];
}

/** Loads a word and jumps to the accepting instruction, `beyond` instructions behind the last of these, if a span has it. */
function matchSpans(offset: number, spans: readonly Span[], beyond: number): BpfInstruction[] {
  const compare = spans.flatMap(({ first, last }, i): BpfInstruction[] => [
    { code: JUMP_AT_LEAST, jt: 0, jf: 1, k: first },
    { code: JUMP_GREATER, jt: 0, jf: 2 * (spans.length - i - 1) + beyond, k: last },
  ]);
  return [{ code: LOAD_WORD, jt: 0, jf: 0, k: offset }, ...compare];
}

/** At most `most` spans that cover all `values`: the widest gaps between values stay out. */
export function coverSpans(values: readonly number[], most: number): readonly Span[] {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  if (sorted.length === 0) return [];
  const gaps = sorted.slice(1).map((value, i) => ({ before: i + 1, width: value - sorted[i]! }));
  const starts = gaps
    .filter(({ width }) => width > 1)
    .sort((a, b) => b.width - a.width)
    .slice(0, most - 1)
    .map(({ before }) => before)
    .sort((a, b) => a - b);
  return [0, ...starts].map((start, i) => ({ first: sorted[start]!, last: sorted[(starts[i] ?? sorted.length) - 1]! }));
}

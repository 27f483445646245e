import { type Address, addressToBytes, type Family, printAddress } from "../net/mod.ts";
import { type BpfInstruction, FILTER_ACCEPT, FILTER_CODE, FILTER_DROP } from "./bpf.ts";

const { LOAD_BYTE, LOAD_WORD, JUMP_EQUAL, JUMP_AT_LEAST } = FILTER_CODE;
/** linux/filter.h SKF_NET_OFF: places are counted from the network header, before what the socket reads. */
const NETWORK = 0xfff0_0000;
/** Places in the headers of RFC 791 and RFC 8200. */
const TTL = { ipv4: NETWORK + 8, ipv6: NETWORK + 7 } as const;
const SOURCE = { ipv4: NETWORK + 12, ipv6: NETWORK + 8 } as const;

/** Who may send, and the least TTL it may arrive with; of several rules for one sender the mildest counts. */
export interface TtlRule {
  /** Anybody when absent. */
  readonly from?: Address;
  readonly least: number;
}

/** What becomes of what no rule names the sender of. */
export type Others = "dropped" | "taken";

/**
 * Takes packets of the senders of `rules` that came no further than allowed; the kernel drops them otherwise, so that nobody
 * further away wakes this process. Connections that a listening socket takes have its filter. RFC 5082 section 3, RFC 5881
 * section 5, RFC 5883 section 4.
 */
export function ttlFilter(family: Family, rules: readonly TtlRule[], others: Others): readonly BpfInstruction[] {
  const own = mildest(rules.filter(({ from }) => from === undefined || from.family === family));
  return [...own.flatMap((rule) => oneRule(family, rule)), others === "taken" ? FILTER_ACCEPT : FILTER_DROP];
}

function mildest(rules: readonly TtlRule[]): readonly TtlRule[] {
  const bySender = new Map<string, TtlRule>();
  for (const rule of rules) {
    const sender = rule.from === undefined ? "" : printAddress(rule.from);
    const known = bySender.get(sender);
    if (known === undefined || rule.least < known.least) bySender.set(sender, rule);
  }
  return [...bySender.values()];
}

function oneRule(family: Family, { from, least }: TtlRule): BpfInstruction[] {
  const octets = from === undefined ? new Uint8Array() : addressToBytes(from);
  const view = new DataView(octets.buffer);
  const words = octets.length / 4;
  const compare = Array.from({ length: words }, (_, i): BpfInstruction[] => [
    { code: LOAD_WORD, jt: 0, jf: 0, k: SOURCE[family] + 4 * i },
    // Behind this pair: those of the other words, then load, compare, and both verdicts.
    { code: JUMP_EQUAL, jt: 0, jf: 2 * (words - i - 1) + 4, k: view.getUint32(4 * i) },
  ]);
  return [
    ...compare.flat(),
    { code: LOAD_BYTE, jt: 0, jf: 0, k: TTL[family] },
    { code: JUMP_AT_LEAST, jt: 0, jf: 1, k: least },
    FILTER_ACCEPT,
    FILTER_DROP,
  ];
}

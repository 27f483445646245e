import {
  type Attribute,
  decodeAttributes,
  encodePayload,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  readText,
  uint32,
} from "./netlink-message.ts";
import { decodeTcHeader, encodeTcHeader, INGRESS, RTM_NEWQDISC, RTM_NEWTFILTER, TC_HEADER_LENGTH, TCA } from "./tc.ts";

/** A token bucket: what leaves a link is delayed, and dropped when too much waits. tc-tbf(8). */
export interface TokenBucket {
  /** Octets per second. */
  readonly rate: number;
  /** Octets that may leave at once after a pause. */
  readonly burst: number;
  /** Octets that may wait. */
  readonly limit: number;
}

/** A queueing discipline of a link. */
export interface Qdisc {
  /** "tbf", "ingress", "noqueue", ... */
  readonly kind: string;
  /** Octets per second, of a token bucket. */
  readonly rate?: number;
}

/** linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h, linux/tc_act/tc_mirred.h. */
const RTM_GETQDISC = 38;
const TCA_TBF = { PARMS: 1, RATE64: 4, BURST: 6 } as const;
const TCA_U32 = { SEL: 5, ACT: 7 } as const;
const TCA_ACT = { KIND: 1, OPTIONS: 2 } as const;
const TCA_MIRRED_PARMS = 2;
const TC_H_ROOT = 0xffff_ffff;
const TC_LINKLAYER_ETHERNET = 1;
const TC_ACT_STOLEN = 4;
const TCA_EGRESS_REDIR = 1;
const TC_U32_TERMINAL = 1;
const MAX_UINT32 = 0xffff_ffff;

/** Makes a token bucket the root of what leaves the link. */
export function shape(ifindex: number, bucket: TokenBucket): NetlinkRequest {
  const rate64 = new Uint8Array(BigUint64Array.of(BigInt(bucket.rate)).buffer);
  const options: Attribute[] = [
    [TCA_TBF.PARMS, encodeTbf(bucket)],
    [TCA_TBF.RATE64, rate64],
    [TCA_TBF.BURST, uint32(bucket.burst)],
  ];
  const payload = encodePayload(encodeTcHeader({ ifindex, parent: TC_H_ROOT }), [
    [TCA.KIND, "tbf"],
    [TCA.OPTIONS, options],
  ]);
  const what = `limit the link of index ${ifindex} to ${bucket.rate} octets per second`;
  return { what, type: RTM_NEWQDISC, flags: NLM_F_CREATE | NLM_F_REPLACE, payload };
}

/** Sends everything that comes in by one link out by another, such as an IFB, where it can be shaped. */
export function redirectIngress(ifindex: number, target: number): NetlinkRequest[] {
  const what = `redirect what the link of index ${ifindex} receives to the one of index ${target}`;
  const ingress = encodePayload(encodeTcHeader({ ifindex, ...INGRESS }), [[TCA.KIND, "ingress"]]);
  const action: Attribute[] = [
    [TCA_ACT.KIND, "mirred"],
    [TCA_ACT.OPTIONS, [[TCA_MIRRED_PARMS, encodeMirred(target)]]],
  ];
  const filter = encodePayload(encodeTcHeader({ ifindex, parent: INGRESS.handle, priority: 1 }), [
    [TCA.KIND, "u32"],
    [
      TCA.OPTIONS,
      [
        [TCA_U32.SEL, MATCH_ALL],
        [TCA_U32.ACT, [[1, action]]],
      ],
    ],
  ]);
  return [
    { what, type: RTM_NEWQDISC, flags: NLM_F_CREATE | NLM_F_REPLACE, payload: ingress },
    { what, type: RTM_NEWTFILTER, flags: NLM_F_CREATE, payload: filter },
  ];
}

export function listQdiscs(ifindex: number): NetlinkRequest {
  const payload = encodeTcHeader({ ifindex });
  return { what: `list the queueing disciplines of the link of index ${ifindex}`, type: RTM_GETQDISC, payload };
}

/** Undefined for one of another link: older kernels list all. @throws {IronbridgeError} IB_WIRE_TRUNCATED */
export function decodeQdisc({ payload }: NetlinkMessage, ifindex: number): Qdisc | undefined {
  const attributes = decodeAttributes(payload, TC_HEADER_LENGTH);
  if (decodeTcHeader(payload).ifindex !== ifindex) return undefined;
  const kind = readText(attributes.get(TCA.KIND)) ?? "";
  const options = attributes.get(TCA.OPTIONS);
  const rate = kind === "tbf" && options !== undefined ? decodeRate(options) : undefined;
  return { kind, ...(rate === undefined ? {} : { rate }) };
}

function decodeRate(options: Uint8Array): number | undefined {
  const attributes = decodeAttributes(options);
  const rate64 = attributes.get(TCA_TBF.RATE64);
  if (rate64 !== undefined) return Number(new DataView(rate64.buffer, rate64.byteOffset).getBigUint64(0, true));
  const parms = attributes.get(TCA_TBF.PARMS);
  return parms && new DataView(parms.buffer, parms.byteOffset).getUint32(8, true);
}

/**
 * struct tc_tbf_qopt: two struct tc_ratespec of 12 octets (link layer at 1, rate at 8), limit, buffer, mtu. The kernel
 * takes the burst from its own attribute; it wants the buffer to be set all the same.
 */
function encodeTbf({ rate, burst, limit }: TokenBucket): Uint8Array {
  const view = new DataView(new ArrayBuffer(36));
  view.setUint8(1, TC_LINKLAYER_ETHERNET);
  view.setUint32(8, Math.min(rate, MAX_UINT32), true);
  view.setUint32(24, Math.min(limit, MAX_UINT32), true);
  view.setUint32(28, burst, true);
  return new Uint8Array(view.buffer);
}

/** struct tc_mirred: index, capab, action, refcnt, bindcnt, eaction, ifindex; 4 octets each. */
function encodeMirred(target: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, target).buffer);
}

/** struct tc_u32_sel (flags, offshift, nkeys, padding, offsets: 16 octets) and one struct tc_u32_key that matches all. */
const MATCH_ALL = Uint8Array.of(TC_U32_TERMINAL, 0, 1, ...new Array<number>(29).fill(0));

import type { KernelObject } from "./ebpf.ts";
import {
  decodeAttributes,
  encodePayload,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_CREATE,
  NLM_F_EXCL,
  readText,
  uint32,
} from "./netlink-message.ts";
import { decodeTcHeader, encodeTcHeader, INGRESS, RTM_NEWQDISC, RTM_NEWTFILTER, TC_HEADER_LENGTH, TCA } from "./tc.ts";

/** linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h. */
const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;
/** TC_H_MAJ(TC_H_CLSACT), TC_H_MIN_INGRESS */
const CLSACT_INGRESS = 0xffff_fff2;
const TCA_BPF = { FD: 6, NAME: 7, FLAGS: 8 } as const;
/** The program's verdict is what becomes of the packet. */
const DIRECT_ACTION = 1;

/**
 * The place of the one filter here that is ours. Those that are put there with no place of their own get 49152 and less, and
 * so their turn before it.
 */
const PLACE = { handle: 1, priority: 50_000 } as const;
const KIND = "bpf";
/** As `tc filter show` prints it; other programs' filters in that place have another. */
const NAME = "ironbridge";

/** What filters need; refused with EEXIST where something of the sort is there. */
export function addClsact(ifindex: number): NetlinkRequest {
  const payload = encodePayload(encodeTcHeader({ ifindex, ...INGRESS }), [[TCA.KIND, "clsact"]]);
  const what = `give the link of index ${ifindex} a place for filters`;
  return { what, type: RTM_NEWQDISC, flags: NLM_F_CREATE | NLM_F_EXCL, payload };
}

/** Runs the program on what comes in by the link; in place of the one before, without a moment in between. */
export function addIngressFilter(ifindex: number, program: KernelObject): NetlinkRequest {
  const payload = encodePayload(encodeTcHeader({ ifindex, parent: CLSACT_INGRESS, ...PLACE }), [
    [TCA.KIND, KIND],
    [
      TCA.OPTIONS,
      [
        [TCA_BPF.FD, uint32(program.fd)],
        [TCA_BPF.NAME, NAME],
        [TCA_BPF.FLAGS, uint32(DIRECT_ACTION)],
      ],
    ],
  ]);
  const what = `run an eBPF program as a filter of the link of index ${ifindex}`;
  return { what, type: RTM_NEWTFILTER, flags: NLM_F_CREATE, payload };
}

export function removeIngressFilter(ifindex: number): NetlinkRequest {
  const header = encodeTcHeader({ ifindex, parent: CLSACT_INGRESS, ...PLACE });
  const payload = encodePayload(header, [[TCA.KIND, KIND]]);
  return { what: `remove the filter of the link of index ${ifindex}`, type: RTM_DELTFILTER, payload };
}

export function listIngressFilters(ifindex: number): NetlinkRequest {
  const payload = encodeTcHeader({ ifindex, parent: CLSACT_INGRESS });
  return { what: `list the filters of the link of index ${ifindex}`, type: RTM_GETTFILTER, payload };
}

/** True of what addIngressFilter() made. @throws {IronbridgeError} IB_WIRE_TRUNCATED */
export function isOwnFilter({ payload }: NetlinkMessage): boolean {
  const { handle, priority } = decodeTcHeader(payload);
  const attributes = decodeAttributes(payload, TC_HEADER_LENGTH);
  const options = attributes.get(TCA.OPTIONS);
  if (handle !== PLACE.handle || priority !== PLACE.priority || options === undefined) return false;
  return readText(attributes.get(TCA.KIND)) === KIND && readText(decodeAttributes(options).get(TCA_BPF.NAME)) === NAME;
}

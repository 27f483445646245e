import type { Link, Rtnetlink, TokenBucket } from "../linux/mod.ts";
import { type AttachmentKey, hostLinkName } from "./attachment.ts";
import { type Lease, linkOf } from "./lease-store.ts";

/** How fast a pod may receive and send, as the CNI project's plugin bandwidth has it. */
export interface Bandwidth {
  /** Into the pod. */
  readonly ingress?: Rate;
  /** Out of the pod. */
  readonly egress?: Rate;
}

export interface Rate {
  /** Bits per second. */
  readonly rate: number;
  /** Bits that may pass at once after a pause. */
  readonly burst: number;
}

/** Seconds of the rate that may pass at once: kubelets ask for half a gigabyte, which no limit is for a minute. */
const LONGEST_BURST = 0.1;
/** Octets: the kernel hands over frames of up to this size as one, and cuts those that do not fit the burst. */
const LARGEST_FRAME = 65_536;
/** Seconds that a packet may wait beyond the burst. */
const LATENCY = 0.025;

/** What the kernel is told for `rate` on a link of this MTU (octets). */
export function tokenBucket({ rate, burst }: Rate, mtu: number): TokenBucket {
  const octets = Math.max(1, Math.floor(rate / 8));
  const most = Math.max(Math.floor(octets * LONGEST_BURST), 10 * mtu, LARGEST_FRAME);
  const granted = Math.max(Math.min(Math.floor(burst / 8), most), mtu + ETHERNET_HEADER);
  return { rate: octets, burst: granted, limit: Math.floor(octets * LATENCY) + granted };
}

const ETHERNET_HEADER = 18;

/** The link that delays what a pod sends: "iq" and the digits of the node's end of the attachment. */
export function shaperLinkName(key: AttachmentKey): string {
  return `iq${hostLinkName(key).slice(2)}`;
}

export function isShaperLinkName(name: string): boolean {
  return /^iq[0-9a-f]{13}$/.test(name);
}

/**
 * Limits a pod by the node's end of its interface. What it sends arrives there, and only what leaves a link can be
 * delayed: it takes the way over a link of its own.
 * @returns That link, when the pod's sending is limited.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export function applyBandwidth(
  kernel: Rtnetlink,
  key: AttachmentKey,
  port: { readonly index: number; readonly mtu: number },
  { ingress, egress }: Bandwidth,
): Link | undefined {
  if (ingress !== undefined) kernel.shape(port.index, tokenBucket(ingress, port.mtu));
  if (egress === undefined) return undefined;
  const shaper = kernel.createIfb({ name: shaperLinkName(key), mtu: port.mtu });
  kernel.shape(shaper.index, tokenBucket(egress, port.mtu)); // before it is up, which is faster
  kernel.setLink(shaper.index, { up: true });
  kernel.redirectIngress(port.index, shaper.index);
  return shaper;
}

/** In what the limits in the kernel are not those of ADD, in sentences. */
export function bandwidthProblems(
  kernel: Pick<Rtnetlink, "link" | "qdiscs">,
  lease: Pick<Lease, "key" | "link" | "bandwidth">,
): string[] {
  const { ingress, egress } = lease.bandwidth ?? {};
  const limits = [
    { name: linkOf(lease), wanted: ingress },
    { name: shaperLinkName(lease.key), wanted: egress },
  ];
  return limits.flatMap(({ name, wanted }) => {
    if (wanted === undefined) return [];
    const link = kernel.link(name);
    const rate = link && kernel.qdiscs(link.index).find(({ kind }) => kind === "tbf")?.rate;
    return rate === tokenBucket(wanted, link?.mtu ?? 0).rate
      ? []
      : [`interface ${name} is not limited to ${wanted.rate} bit/s`];
  });
}

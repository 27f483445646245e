import type { Kernel } from "./kernel.ts";
import type { ServicePort } from "./service-port.ts";

/** What a kernel lacks to forward SCTP. */
export type SctpGap = "nothing" | "tracking" | "match";

/** One sentence for the log: what follows for a Service's port, and the remedy. */
export const SCTP_GAPS: Readonly<Record<Exclude<SctpGap, "nothing">, string>> = {
  tracking:
    "this kernel does not track SCTP, so that the rules of this port forward nothing; " +
    "use a kernel with CONFIG_NF_CT_PROTO_SCTP",
  match:
    "this kernel's iptables can't match SCTP, so that this port is not forwarded; " +
    "load the module xt_sctp or choose the proxy mode nftables, and start the agent again",
};

/** Only a kernel that tracks connections at all can be seen to leave out those of SCTP. */
export function tracksSctp(kernel: Pick<Kernel, "readSysctl">): boolean {
  const has = (protocol: string) =>
    kernel.readSysctl(`net/netfilter/nf_conntrack_${protocol}_timeout_established`) !== undefined;
  return has("sctp") || !has("tcp");
}

/** Those whose rules the kernel takes: one that it refuses would keep all others out. */
export function portsTaken(ports: readonly ServicePort[], gap: SctpGap): readonly ServicePort[] {
  return gap === "match" ? ports.filter(({ protocol }) => protocol !== "sctp") : ports;
}

import { explainError, type Log } from "../core/mod.ts";
import type { Kernel } from "./kernel.ts";

/** How the kernel is to track connections, as kube-proxy's flags of the same names have it. 0 leaves a setting alone. */
export interface ConntrackChoices {
  /** Connections for each CPU; all of them together are at least `min`. */
  readonly maxPerCore: number;
  readonly min: number;
  /** Times are milliseconds. An idle TCP connection is forgotten after that. */
  readonly tcpTimeoutEstablished: number;
  /** One that the other end has closed. */
  readonly tcpTimeoutCloseWait: number;
  readonly udpTimeout: number;
  /** A UDP flow that was answered. */
  readonly udpTimeoutStream: number;
  /** Packets outside of the window belong to their connection all the same. */
  readonly tcpBeLiberal: boolean;
}

/** A kernel setting below net/netfilter/. */
export interface ConntrackSetting {
  readonly name: string;
  readonly value: number;
  /** `most`: a higher value of somebody else stays. */
  readonly rule: "exactly" | "most";
}

/**
 * Whether packets outside of their connection's window count as its own: as this node has it now, or is going to have it.
 * Asked once, as kube-proxy does: when somebody turns it on later (the pod network's short way between pods does), hardly a
 * packet is INVALID any more, so that a rule against those does no harm.
 */
export function isTcpLiberal(kernel: Kernel, choices: ConntrackChoices | undefined): boolean {
  return (choices?.tcpBeLiberal ?? false) || Number(kernel.readSysctl(TCP_BE_LIBERAL) ?? 0) !== 0;
}

const TCP_BE_LIBERAL = "net/netfilter/nf_conntrack_tcp_be_liberal";

/** The kernel keeps its connections in lists of about this many, unless it was told to have more lists. */
const CONNECTIONS_PER_BUCKET = 4;

/** @param cores How many CPUs this node has. */
export function conntrackSettings(choices: ConntrackChoices, cores: number): ConntrackSetting[] {
  const most = choices.maxPerCore === 0 ? 0 : Math.max(choices.min, choices.maxPerCore * cores);
  const seconds = (milliseconds: number) => Math.floor(milliseconds / 1000);
  const all: ConntrackSetting[] = [
    { name: "nf_conntrack_max", value: most, rule: "most" },
    { name: "nf_conntrack_buckets", value: Math.floor(most / CONNECTIONS_PER_BUCKET), rule: "most" },
    { name: "nf_conntrack_tcp_timeout_established", value: seconds(choices.tcpTimeoutEstablished), rule: "exactly" },
    { name: "nf_conntrack_tcp_timeout_close_wait", value: seconds(choices.tcpTimeoutCloseWait), rule: "exactly" },
    { name: "nf_conntrack_udp_timeout", value: seconds(choices.udpTimeout), rule: "exactly" },
    { name: "nf_conntrack_udp_timeout_stream", value: seconds(choices.udpTimeoutStream), rule: "exactly" },
    { name: "nf_conntrack_tcp_be_liberal", value: Number(choices.tcpBeLiberal), rule: "most" },
  ];
  return all.filter(({ value }) => value > 0);
}

/** Writes what is not so yet. What this node does not let anybody change is told in one sentence, and stays. */
export function applyConntrackSettings(kernel: Kernel, settings: readonly ConntrackSetting[], log: Log): void {
  const refused: string[] = [];
  let reason = "";
  for (const { name, value, rule } of settings) {
    const key = `net/netfilter/${name}`;
    const current = kernel.readSysctl(key);
    if (current === undefined || (rule === "most" ? Number(current) >= value : Number(current) === value)) continue;
    try {
      kernel.writeSysctl(key, String(value));
    } catch (error) {
      refused.push(`${name}=${value}`);
      reason = explainError(error);
    }
  }
  if (refused.length === 0) return;
  log.warn(
    { event: "proxy.conntrack.refused", settings: refused, error: reason },
    "this node refuses settings of connection tracking; set them with sysctl on the node itself",
  );
}

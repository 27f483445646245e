import { Counter, Gauge, Histogram, type Metrics } from "../core/mod.ts";
import type { Family } from "../net/mod.ts";
import { PACKET_KINDS, type PacketKind } from "./backend.ts";
import type { ProxyMode } from "./data-plane.ts";
import { SIDES, type Side } from "./no-local-endpoints.ts";
import type { PortConnections } from "./tally.ts";

/** All names but those that begin with ironbridge are kube-proxy's: the things measured are the same. */
export interface ProxyMetrics {
  readonly syncSeconds: Histogram;
  readonly lastSync: Gauge;
  /** When the first change that waits was heard of; much later than `lastSync` while writing hangs. */
  readonly lastQueued: Gauge;
  /** By mode, with the label ip_family. */
  readonly writeFailures: Readonly<Record<ProxyMode, Counter>>;
  readonly syncFailures: Counter;
  readonly serviceChanges: Counter;
  readonly endpointChanges: Counter;
  /** From the change that the slice's annotation endpoints.kubernetes.io/last-change-trigger-time tells of. */
  readonly programmingSeconds: Histogram;
  readonly repairs: Counter;
  readonly flowSeconds: Histogram;
  readonly flowsForgotten: Counter;
  readonly healthAnswers: Readonly<Record<"/healthz" | "/livez", Counter>>;
}

const seconds = (from: number, to: number, step: number) =>
  Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);

export function createProxyMetrics(registry: Metrics): ProxyMetrics {
  const registers = [registry];
  const answers = (name: string, path: string) =>
    new Counter({ name, help: `Answers on ${path} by status code`, labelNames: ["code"], registers });
  const failures = (what: string, help: string) =>
    new Counter({
      name: `kubeproxy_sync_proxy_rules_${what}_failures_total`,
      help,
      labelNames: ["ip_family"],
      registers,
    });
  return {
    syncSeconds: new Histogram({
      name: "kubeproxy_sync_proxy_rules_duration_seconds",
      help: "Time to bring the kernel to what the cluster says",
      buckets: Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i),
      registers,
    }),
    lastSync: new Gauge({
      name: "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
      help: "Unix time of the last successful sync",
      registers,
    }),
    lastQueued: new Gauge({
      name: "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
      help: "Unix time at which a sync was asked for last",
      registers,
    }),
    writeFailures: {
      nftables: failures("nftables_sync", "Syncs of nftables that failed"),
      iptables: failures("iptables_restore", "Runs of iptables-restore that failed"),
    },
    // Of any cause, before the rules are written as well.
    syncFailures: new Counter({
      name: "ironbridge_proxy_sync_failures_total",
      help: "Syncs that failed and were tried again",
      registers,
    }),
    serviceChanges: new Counter({
      name: "kubeproxy_sync_proxy_rules_service_changes_total",
      help: "Changes of Services heard of",
      registers,
    }),
    endpointChanges: new Counter({
      name: "kubeproxy_sync_proxy_rules_endpoint_changes_total",
      help: "Changes of EndpointSlices heard of",
      registers,
    }),
    programmingSeconds: new Histogram({
      name: "kubeproxy_network_programming_duration_seconds",
      help: "Time from a change of a Service's endpoints to the kernel's rules",
      buckets: [0.25, 0.5, ...seconds(1, 59, 1), ...seconds(60, 115, 5), ...seconds(120, 300, 30)],
      registers,
    }),
    repairs: new Counter({
      name: "ironbridge_proxy_repairs_total",
      help: "Times that rules changed or removed by others were written again",
      registers,
    }),
    flowSeconds: new Histogram({
      name: "kubeproxy_conntrack_reconciler_sync_duration_seconds",
      help: "Time to find and forget UDP flows to endpoints that are gone",
      buckets: Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i),
      registers,
    }),
    flowsForgotten: new Counter({
      name: "kubeproxy_conntrack_reconciler_deleted_entries_total",
      help: "UDP flows to endpoints that are gone, forgotten",
      registers,
    }),
    healthAnswers: {
      "/healthz": answers("kubeproxy_proxy_healthz_total", "/healthz"),
      "/livez": answers("kubeproxy_proxy_livez_total", "/livez"),
    },
  };
}

/** What is looked up when somebody asks for the metrics. */
export interface ProxyFacts {
  readonly families: () => readonly Family[];
  readonly noLocalEndpoints: (family: Family, side: Side) => number;
  /** How many things are in the kernel, see Backend. */
  readonly sizes: (family: Family) => ReadonlyMap<string, number>;
  readonly connections: () => Promise<readonly PortConnections[]>;
  readonly packets: (kind: PacketKind) => Promise<number>;
}

const PACKETS_HELP: Readonly<Record<PacketKind, string>> = {
  ct_state_invalid_dropped: "Packets dropped because connection tracking could not place them",
  localhost_nodeports_accepted: "Packets to node ports on localhost that were let in, the first of each connection",
};

export function exposeProxyFacts(registry: Metrics, mode: ProxyMode, facts: ProxyFacts): void {
  const registers = [registry];
  if (mode === "iptables") exposePackets(registry, facts);
  const sizes =
    mode === "iptables"
      ? { name: "kubeproxy_sync_proxy_rules_iptables_total", help: "Rules of this proxy by table", label: "table" }
      : { name: "ironbridge_proxy_nftables_objects", help: "Chains and elements of this proxy", label: "kind" };
  new Gauge({
    name: sizes.name,
    help: sizes.help,
    labelNames: [sizes.label, "ip_family"],
    registers,
    collect() {
      for (const family of facts.families()) {
        for (const [kind, size] of facts.sizes(family))
          this.set({ [sizes.label]: kind, ip_family: ipFamily(family) }, size);
      }
    },
  });
  new Gauge({
    name: "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
    help: "Service ports with the traffic policy Local and endpoints on other nodes only",
    labelNames: ["traffic_policy", "ip_family"],
    registers,
    collect() {
      for (const family of facts.families()) {
        for (const side of SIDES)
          this.set({ traffic_policy: side, ip_family: ipFamily(family) }, facts.noLocalEndpoints(family, side));
      }
    },
  });
  new Counter({
    name: "ironbridge_proxy_service_connections_total",
    help: "New connections to a Service's port that this node sent to an endpoint",
    labelNames: ["namespace", "service", "port"],
    registers,
    async collect() {
      const sums = await facts.connections();
      this.reset();
      for (const { connections, ...labels } of sums) this.inc(labels, connections);
    },
  });
}

/** kube-proxy has the figures from objects of nfacct; here they are the counters of the rules themselves. */
function exposePackets(registry: Metrics, { packets }: ProxyFacts): void {
  for (const kind of PACKET_KINDS) {
    new Counter({
      name: `kubeproxy_iptables_${kind}_packets_total`,
      help: PACKETS_HELP[kind],
      registers: [registry],
      async collect() {
        const count = await packets(kind);
        this.reset();
        this.inc(count);
      },
    });
  }
}

/** As kube-proxy writes it in the label ip_family. */
export function ipFamily(family: Family): string {
  return family === "ipv4" ? "IPv4" : "IPv6";
}

import { Counter, Gauge, Histogram, type Metrics } from "../core/mod.ts";

/** All names but those that begin with ironbridge are kube-proxy's: the things measured are the same. */
export interface ProxyMetrics {
  readonly syncSeconds: Histogram;
  readonly lastSync: Gauge;
  /** When the first change that waits was heard of; much later than `lastSync` while writing hangs. */
  readonly lastQueued: Gauge;
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
    // One name for both modes and families, where kube-proxy has one for each.
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

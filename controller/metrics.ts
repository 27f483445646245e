import { Counter, Gauge, Histogram, type Metrics } from "../core/mod.ts";
import type { PoolUsage } from "./allocator.ts";
import { countOf } from "./pool-status.ts";

/** What the numbers are read from when they are fetched. */
export interface MetricSources {
  readonly usage: () => readonly PoolUsage[];
  /** Services that ask for an address and have none, or want another one. */
  readonly waiting: () => number;
  readonly leading: () => boolean;
  /** True once a configuration is in force. */
  readonly configLoaded: () => boolean;
  /** True while an object is left out of the configuration because of a mistake. */
  readonly configStale: () => boolean;
}

export interface ControllerMetrics {
  readonly updates: Counter;
  readonly updateErrors: Counter;
  readonly assignmentSeconds: Histogram;
  readonly planSeconds: Histogram;
}

/** Per pool. Names and meanings are MetalLB's, `_total` on gauges included, so that dashboards and alerts keep working. */
const POOL_GAUGES: readonly (readonly [name: string, help: string, read: (usage: PoolUsage) => number])[] = [
  [
    "metallb_allocator_addresses_in_use_total",
    "Number of IP addresses in use, per pool",
    ({ ipv4, ipv6 }) => ipv4.held + ipv6.held,
  ],
  [
    "metallb_allocator_addresses_total",
    "Number of usable IP addresses, per pool",
    ({ ipv4, ipv6 }) => countOf(ipv4.total + ipv6.total),
  ],
  [
    "metallb_allocator_ipv4_addresses_in_use_total",
    "Number of IPv4 addresses in use, per pool",
    ({ ipv4 }) => ipv4.held,
  ],
  [
    "metallb_allocator_ipv4_addresses_total",
    "Number of usable IPv4 addresses, per pool",
    ({ ipv4 }) => countOf(ipv4.total),
  ],
  [
    "metallb_allocator_ipv6_addresses_in_use_total",
    "Number of IPv6 addresses in use, per pool",
    ({ ipv6 }) => ipv6.held,
  ],
  [
    "metallb_allocator_ipv6_addresses_total",
    "Number of usable IPv6 addresses, per pool",
    ({ ipv6 }) => countOf(ipv6.total),
  ],
  [
    "metallb_allocator_services_allocated_total",
    "Number of Services with addresses, per pool",
    ({ services }) => services,
  ],
];

/** Reads the sources when the metrics are fetched, so that keeping them costs nothing. */
export function registerMetrics(sources: MetricSources, metrics: Metrics): ControllerMetrics {
  const registers = [metrics];
  for (const [name, help, read] of POOL_GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: ["pool"],
      registers,
      collect() {
        this.reset(); // pools come and go
        for (const usage of sources.usage()) this.set({ pool: usage.pool }, read(usage));
      },
    });
  }
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge("metallb_k8s_client_config_loaded_bool", "1 once a configuration is in force", () => +sources.configLoaded());
  gauge(
    "metallb_k8s_client_config_stale_bool",
    "1 while an object with a mistake is left out",
    () => +sources.configStale(),
  );
  gauge("ironbridge_controller_services_waiting", "Services that wait for an address", sources.waiting);
  gauge("ironbridge_controller_leading", "1 in the replica that assigns addresses", () => +sources.leading());
  return {
    updates: new Counter({ name: "metallb_k8s_client_updates_total", help: "Services looked at", registers }),
    updateErrors: new Counter({
      name: "metallb_k8s_client_update_errors_total",
      help: "Writes that failed",
      registers,
    }),
    assignmentSeconds: new Histogram({
      name: "ironbridge_controller_assignment_seconds",
      help: "From the news of a Service that needs an address to the address in its status",
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
      registers,
    }),
    planSeconds: new Histogram({
      name: "ironbridge_controller_plan_seconds",
      help: "Time to decide about all Services that changed together",
      buckets: [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1],
      registers,
    }),
  };
}

import { Gauge, type Metrics } from "../core/mod.ts";
import type { Allocator, PoolUsage } from "./allocator.ts";
import { countOf } from "./pool-status.ts";

/** Names and meanings are MetalLB's, `_total` on gauges included, so that dashboards and alerts keep working. */
const GAUGES: readonly { readonly name: string; readonly help: string; readonly read: (usage: PoolUsage) => number }[] =
  [
    {
      name: "metallb_allocator_addresses_in_use_total",
      help: "Number of IP addresses in use, per pool",
      read: ({ ipv4, ipv6 }) => ipv4.held + ipv6.held,
    },
    {
      name: "metallb_allocator_addresses_total",
      help: "Number of usable IP addresses, per pool",
      read: ({ ipv4, ipv6 }) => countOf(ipv4.total + ipv6.total),
    },
  ];

/** Reads the allocator when the metrics are fetched, so that keeping them costs nothing. */
export function registerMetrics(allocator: Allocator, metrics: Metrics): void {
  for (const { name, help, read } of GAUGES) {
    new Gauge({
      name,
      help,
      labelNames: ["pool"],
      registers: [metrics],
      collect() {
        this.reset(); // pools come and go
        for (const usage of allocator.usage()) this.set({ pool: usage.pool }, read(usage));
      },
    });
  }
}

import { Counter, Gauge, Histogram, type Metrics } from "../core/mod.ts";
import type { HandlerOptions } from "./handler.ts";
import type { Ipam } from "./ipam.ts";

/** What the pod network tells of itself to those who watch the node; answered calls are to be told to the function returned. */
export function registerMetrics(metrics: Metrics, ipam: Ipam): HandlerOptions["observe"] {
  const registers = [metrics];
  const requests = new Counter({
    name: "ironbridge_cni_requests_total",
    help: "Calls of the CNI plugin, by command and CNI error code (0 for success)",
    labelNames: ["command", "code"],
    registers,
  });
  const seconds = new Histogram({
    name: "ironbridge_cni_request_seconds",
    help: "Time from a call of the CNI plugin to its answer",
    labelNames: ["command"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5, 20],
    registers,
  });
  new Gauge({
    name: "ironbridge_cni_addresses_in_use",
    help: "Pod addresses in use, per pod prefix of the node",
    labelNames: ["prefix"],
    registers,
    collect() {
      for (const { prefix, used } of ipam.usage()) this.set({ prefix }, used);
    },
  });
  return (call) => {
    requests.inc({ command: call.command, code: String(call.code) });
    seconds.observe({ command: call.command }, call.seconds);
  };
}

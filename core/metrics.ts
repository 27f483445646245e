import { Counter, Gauge, Histogram, Registry } from "prom-client";

export type Metrics = Registry;
export { Counter, Gauge, Histogram };

/** A registry of its own per program, so that tests can run several programs in one process. */
export function createMetrics(): Metrics {
  return new Registry();
}

import { type Clock, explainError, type Log, startRunner } from "../core/mod.ts";
import type { Conntrack, FlowFilter } from "../linux/mod.ts";
import type { Family } from "../net/mod.ts";
import { hasFamily, type Kernel } from "./kernel.ts";
import type { ProxyMetrics } from "./metrics.ts";
import { isStale, portsOf, type StaleFlows } from "./stale-flows.ts";

export interface FlowKeeperOptions {
  readonly kernel: Kernel;
  readonly flows: StaleFlows;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: ProxyMetrics;
}

export interface FlowKeeper {
  readonly done: Promise<void>;
  /** The rules in the kernel have changed. */
  poke(): void;
}

/** Milliseconds; a look takes time in proportion to the UDP flows there are, so a storm of changes shares few. */
const PACE = { minInterval: 100, retryInterval: 1000, maxInterval: 300_000 };

const IPPROTO_UDP = 17;
/** Every listing walks over all that the kernel tracks: above this number one listing of all UDP flows is cheaper. */
const MOST_LISTINGS = 4;

function filtersFor(family: Family, ports: ReadonlySet<number>): FlowFilter[] {
  const all = { family, protocol: IPPROTO_UDP };
  return ports.size > MOST_LISTINGS ? [all] : [...ports].map((destinationPort) => ({ ...all, destinationPort }));
}

/** Makes the kernel forget UDP flows to endpoints that are gone, after the rules that send new ones elsewhere are there. */
export function startFlowKeeper(options: FlowKeeperOptions, signal: AbortSignal): FlowKeeper {
  const { kernel, flows, clock, log, metrics } = options;
  let conntrack: Conntrack | undefined;
  const families = (["ipv4", "ipv6"] as const).filter((family: Family) => hasFamily(kernel, family));
  let cancelLeave = () => {};
  const work = async () => {
    const start = clock.now();
    const changed = flows.take(start);
    cancelLeave();
    const next = flows.nextLeave;
    if (next !== undefined) cancelLeave = clock.after(next - start, () => runner.poke());
    if (changed.size === 0) return;
    try {
      conntrack ??= kernel.conntrack();
      const stale = families
        .flatMap((family) => filtersFor(family, portsOf(changed, family)))
        .flatMap(conntrack.flows)
        .filter((flow) => isStale(flow, changed));
      for (const flow of stale) conntrack.remove(flow);
      metrics.flowsForgotten.inc(stale.length);
    } catch (error) {
      flows.giveBack(changed);
      throw error;
    }
    metrics.flowSeconds.observe((clock.now() - start) / 1000);
  };
  const onError = (error: unknown) =>
    log.error({ event: "proxy.flows.failed", error: explainError(error) }, "could not look for stale UDP flows");
  const runner = startRunner(work, { ...PACE, onError }, signal);
  const close = () => {
    cancelLeave();
    conntrack?.close();
  };
  return { poke: runner.poke, done: runner.done.then(close) };
}

import { cpus } from "node:os";
import { type Clock, explainError, type Log, type Metrics, startRunner, systemClock } from "../core/mod.ts";
import { Backlog, type ProxyStores } from "./backlog.ts";
import { ConnectionCount } from "./connection-count.ts";
import { applyConntrackSettings, type ConntrackChoices, conntrackSettings } from "./conntrack-settings.ts";
import type { ProxyMode } from "./data-plane.ts";
import { startFlowKeeper } from "./flow-keeper.ts";
import { Freshness } from "./freshness.ts";
import { isEligible, nodePage } from "./health-check.ts";
import { HealthServers, type HealthServersOptions } from "./health-server.ts";
import { type Kernel, kernelOf } from "./kernel.ts";
import { createProxyMetrics, exposeProxyFacts, type ProxyMetrics } from "./metrics.ts";
import { NoLocalEndpoints } from "./no-local-endpoints.ts";
import { Reconciler } from "./reconciler.ts";
import type { ProxyChoices } from "./settings.ts";
import { StaleFlows } from "./stale-flows.ts";

export interface ProxyOptions extends ProxyStores, ProxyChoices {
  /** Name of this node. */
  readonly node: string;
  readonly mode: ProxyMode;
  readonly log: Log;
  readonly metrics: Metrics;
  /** The namespace of this process when absent. */
  readonly kernel?: Kernel;
  readonly clock?: Clock;
  /** TCP port of /healthz and /livez, kube-proxy's 10256; absent or 0: they are not served. */
  readonly healthzPort?: number;
  /** Absent: connections are tracked as this node has it. */
  readonly conntrack?: ConntrackChoices;
}

export interface Proxy {
  readonly done: Promise<void>;
  /** The kernel has been brought to what the cluster says at least once, and is sound now. */
  ready(): boolean;
  /** Why it is not ready, once something went wrong. */
  problem(): string | undefined;
  state(): unknown;
  /** The kernel has for this Service what the stores last said. */
  programmed(serviceKey: string): boolean;
  /** Calls `listener` after each sync that may have changed what programmed() says. Returns the way to stop. */
  subscribe(listener: () => void): () => void;
}

/** Milliseconds; see RunnerOptions. A change after a quiet time is written at once, a storm every few milliseconds. */
const PACE = { minInterval: 10, retryInterval: 500, maxInterval: 300_000 };

/**
 * Forwards the cluster's Services on this node until `signal` aborts, and then leaves the rules as they are: connections
 * go on while the next process of this node starts. Rules of the other mode are removed once this mode's are in force.
 */
export function startProxy(options: ProxyOptions, signal: AbortSignal): Proxy {
  const { kernel = kernelOf(), clock = systemClock } = options;
  const log = options.log.child({ part: "proxy" });
  const listeners = new Set<() => void>();
  const freshness = new Freshness();
  const onChange = () => {
    freshness.changed(clock.now());
    metrics.lastQueued.set(clock.date().getTime() / 1000);
    runner.poke();
  };
  const backlog = new Backlog(options, options.node, onChange, signal);
  const metrics = createProxyMetrics(options.metrics);
  const flows = new StaleFlows();
  const health = new HealthServers({
    kernel,
    log,
    healthy: () => freshness.isFresh(clock.now()),
    ...nodeHealth(options, { clock, freshness, metrics, inForce: () => reconciler.inForce }),
  });
  const keeper = startFlowKeeper({ kernel, flows, clock, log, metrics }, signal);
  const noLocal = new NoLocalEndpoints();
  const reconciler = new Reconciler({ ...options, kernel, clock, log, metrics, flows, health, noLocal }, backlog);
  const count = new ConnectionCount({
    backends: () => reconciler.backends,
    service: (key) => options.services.get(key),
    clock,
    log,
  });
  exposeProxyFacts(options.metrics, options.mode, {
    families: () => reconciler.backends.map(({ family }) => family),
    sizes: (family) => reconciler.backends.find((each) => each.family === family)?.sizes() ?? new Map(),
    noLocalEndpoints: (family, side) => noLocal.count(family, side),
    connections: () => count.read(),
    packets: (kind) => count.packets(kind),
  });

  // Only with rules that need it in the kernel is connection tracking there for sure.
  let isTuned = false;
  const tuneConntrack = () => {
    if (isTuned || options.conntrack === undefined || !reconciler.inForce) return;
    isTuned = true;
    applyConntrackSettings(kernel, conntrackSettings(options.conntrack, cpus().length), log);
  };

  /** What was told of the last sync, "" when it went well. */
  let lastFailure = "";
  let cancelLook = () => {};
  const work = async () => {
    health.retry();
    const isNew = await freshness.during(clock, () => reconciler.sync());
    if (flows.any) keeper.poke();
    cancelLook();
    cancelLook = clock.after(reconciler.pause, () => runner.poke());
    if (isNew) for (const listener of listeners) listener();
    if (lastFailure !== "") log.info({ event: "proxy.sync.recovered" }, "wrote the rules that could not be written");
    lastFailure = "";
    tuneConntrack();
    await reconciler.removeOthers();
  };
  const onError = (error: unknown) => {
    metrics.syncFailures.inc();
    const failure = explainError(error);
    if (failure === lastFailure) return; // it was told, and is tried again twice a second
    lastFailure = failure;
    log.error({ event: "proxy.sync.failed", error: failure }, "could not write the rules, trying again");
  };
  const runner = startRunner(work, { ...PACE, onError }, signal);
  const watch = kernel.watchNft(() => {
    reconciler.notice();
    runner.poke();
  });
  const watchAddresses =
    options.nodePortAddresses &&
    kernel.watchAddresses(() => {
      backlog.addSurroundings();
      runner.poke();
    });
  const stopCounting = countChanges(options, metrics);
  for (const store of [options.services, options.slices, options.nodes]) void store.whenSynced.then(runner.poke);

  const close = () => {
    cancelLook();
    stopCounting();
    watch.close();
    watchAddresses?.close();
    reconciler.close();
    health.close();
  };
  return {
    done: Promise.all([runner.done, keeper.done]).then(close),
    ready: () => reconciler.inForce,
    problem: () => lastFailure || undefined,
    state: () => ({ mode: options.mode, ...reconciler.state() }),
    programmed: (serviceKey) => reconciler.programmed(serviceKey),
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** What this node says of itself, on the port that was chosen for it. */
function nodeHealth(
  { nodes, node, healthzPort: port = 0 }: ProxyOptions,
  facts: {
    readonly clock: Clock;
    readonly freshness: Freshness;
    readonly metrics: ProxyMetrics;
    readonly inForce: () => boolean;
  },
): Pick<HealthServersOptions, "node"> {
  const { clock, freshness, metrics, inForce } = facts;
  const page = (path: string) => {
    if (path !== "/healthz" && path !== "/livez") return undefined;
    const now = clock.date().getTime();
    const answer = nodePage(path, {
      healthy: inForce() && freshness.isFresh(clock.now()),
      eligible: isEligible(nodes.get(node)),
      now,
      updated: now - (clock.now() - freshness.updated),
    });
    metrics.healthAnswers[path].inc({ code: answer.status });
    return answer;
  };
  return port === 0 ? {} : { node: { port, page } };
}

function countChanges({ services, slices }: ProxyStores, metrics: ProxyMetrics): () => void {
  const stops = [
    services.subscribe(() => metrics.serviceChanges.inc()),
    slices.subscribe(() => metrics.endpointChanges.inc()),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

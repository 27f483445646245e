import { resolveConfig } from "../config/mod.ts";
import { explainError, type Log, type Metrics, type Runner, startRunner } from "../core/mod.ts";
import {
  type Change,
  type KubeClient,
  type Reporter,
  refusalStatus,
  type Store,
  type V1Namespace,
  type V1Service,
} from "../kube/mod.ts";
import { registerMetrics } from "./metrics.ts";
import { Planner } from "./planner.ts";
import { poolStatus, startPoolStatus } from "./pool-status.ts";
import { type ConfigStores, problemTeller } from "./problems.ts";
import { planWriter } from "./writer.ts";

export interface ControllerDeps extends ConfigStores {
  readonly client: KubeClient;
  readonly services: Store<V1Service>;
  readonly namespaces: Store<V1Namespace>;
  readonly reporter: Reporter;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Serve Services of this loadBalancerClass; absent: those without a class. */
  readonly lbClass?: string;
}

export interface Controller {
  /** Resolves once `signal` was aborted and the last write has ended. */
  readonly done: Promise<void>;
  /** True once every address in use has been claimed and waiting Services have been looked at. */
  ready(): boolean;
  /** For /debug/state: pools, and why Services wait. */
  state(): unknown;
  /** Looks at every Service again. */
  poke(): void;
}

/** Waiting Services that state() names at most. */
const STATE_LIMIT = 100;

/** Gives addresses of the pools to Services of type LoadBalancer, and keeps Service and pool status true. */
export function startController(deps: ControllerDeps, signal: AbortSignal): Controller {
  const { client, services, namespaces, pools, l2Advertisements, reporter, log } = deps;
  const cluster = {
    service: (key: string) => services.get(key),
    services: () => services.list(),
    namespaceLabels: (name: string) => namespaces.get(name)?.metadata?.labels ?? {},
  };
  const planner = new Planner(cluster, deps.lbClass);
  const { allocator } = planner;
  const tellProblems = problemTeller(deps, reporter, log);
  const writeAll = planWriter({ client, reporter, log, putBack: (plan) => planner.putBack(plan) });
  registerMetrics(allocator, deps.metrics);
  const stores = [services, namespaces, pools, l2Advertisements];
  let configChanged = true;
  let ready = false;

  const work = async () => {
    if (!stores.every(({ synced }) => synced)) return;
    if (configChanged) {
      configChanged = false;
      const config = resolveConfig({ pools: pools.list(), l2Advertisements: l2Advertisements.list() });
      planner.configure(config);
      tellProblems(config.problems);
    } else if (planner.idle) {
      planner.markAll(); // the slow resync, or a poke from outside
    }
    const plans = planner.plan();
    ready = true;
    counters.poke();
    await writeAll(plans);
  };

  const runner = startRunner(work, { minInterval: 10, retryInterval: 1000, maxInterval: 600_000, onError }, signal);
  const counters = startPoolStatus({ client, pools, allocator, log }, signal);
  watch(deps, signal, {
    service: (key) => {
      planner.mark(key);
      runner.poke();
    },
    namespace: (name) => {
      planner.markNamespace(name);
      runner.poke();
    },
    config: () => {
      configChanged = true;
      runner.poke();
    },
    counters: counters.poke,
  });
  for (const { whenSynced } of stores) void whenSynced.then(runner.poke);

  function onError(error: unknown): void {
    // A conflict is no trouble: the Service changed meanwhile and is decided on anew.
    const level = refusalStatus(error) === 409 ? "debug" : "warn";
    log[level]({ event: "controller.write-failed", error: explainError(error) }, "cannot write everything, will retry");
  }

  return {
    done: bothDone(runner, counters),
    ready: () => ready,
    state: () => ({
      pools: allocator.usage().map((usage) => ({ pool: usage.pool, ...poolStatus(usage) })),
      waiting: Object.fromEntries(
        Array.from(planner.complaints, ([key, { message }]) => [key, message]).slice(0, STATE_LIMIT),
      ),
    }),
    poke: runner.poke,
  };
}

/** What to do when something changed that addresses depend on. */
interface Reactions {
  service(key: string): void;
  namespace(name: string): void;
  config(): void;
  counters(): void;
}

/** Leaves out the changes that mean nothing here: above all the status that this program writes itself. */
function watch(deps: ControllerDeps, signal: AbortSignal, react: Reactions): void {
  const stops = [
    deps.services.subscribe(({ key }) => react.service(key)),
    deps.namespaces.subscribe((change) => {
      if (differs(change, ({ metadata }) => metadata?.labels)) react.namespace(change.key);
    }),
    deps.pools.subscribe((change) => {
      react.counters();
      if (differs(change, ({ spec, metadata }) => [spec, metadata?.labels])) react.config();
    }),
    deps.l2Advertisements.subscribe((change) => {
      if (differs(change, ({ spec }) => spec)) react.config();
    }),
  ];
  const stopAll = () => {
    for (const stop of stops) stop();
  };
  signal.addEventListener("abort", stopAll, { once: true });
}

/** True when what `read` finds in the object changed, or the object came or went. */
function differs<T>({ before, after }: Change<T>, read: (object: T) => unknown): boolean {
  if (before === undefined || after === undefined) return true;
  return JSON.stringify(read(before)) !== JSON.stringify(read(after));
}

async function bothDone(a: Runner, b: Runner): Promise<void> {
  await Promise.all([a.done, b.done]);
}

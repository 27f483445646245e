import type { ConfigurationState } from "../config/mod.ts";
import { type Clock, explainError, hasCode, type Log, type Metrics, startRunner, systemClock } from "../core/mod.ts";
import {
  fencedClient,
  type KubeClient,
  type Leadership,
  type Reporter,
  refusalStatus,
  SERVICES,
  type Store,
  type V1Namespace,
  type V1Service,
} from "../kube/mod.ts";
import type { MemoryTimes } from "./address-memory.ts";
import { Assignment } from "./assignment.ts";
import { caughtUp } from "./catch-up.ts";
import { startConfigStatus } from "./config-status.ts";
import type { ConfigStores } from "./config-stores.ts";
import { Findings } from "./findings.ts";
import { type ControllerMetrics, registerMetrics } from "./metrics.ts";
import { poolStatus, startPoolStatus } from "./pool-status.ts";
import { PoolUsageWatch } from "./pool-usage.ts";
import { watchChanges } from "./watch-changes.ts";

export interface ControllerDeps extends ConfigStores {
  readonly client: KubeClient;
  readonly services: Store<V1Service>;
  readonly namespaces: Store<V1Namespace>;
  readonly reporter: Reporter;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Serve Services of this loadBalancerClass; absent: those without a class. */
  readonly lbClass?: string;
  /** Which replica works; absent: this is the only one. */
  readonly leadership?: Leadership;
  /** Where the ConfigurationState is kept; absent: none is. */
  readonly states?: { readonly namespace: string; readonly store: Store<ConfigurationState> };
  readonly memory?: MemoryTimes;
  /** Percent of a pool in use at which its users are told, in rising order. */
  readonly usageThresholds?: readonly number[];
  readonly clock?: Clock;
}

export interface Controller {
  /** Resolves once `signal` was aborted and the last write has ended. */
  readonly done: Promise<void>;
  /** True once every address in use has been claimed and waiting Services have been looked at, or another replica leads. */
  ready(): boolean;
  /** For /debug/state: pools, and why Services wait. */
  state(): unknown;
  /** Looks at every Service again. */
  poke(): void;
}

type Syncing = Pick<Store<V1Service>, "synced" | "whenSynced">;

/** Waiting Services that state() names at most. */
const STATE_LIMIT = 100;
const FORGETS_AT_ONCE: MemoryTimes = { remember: 0, coolDown: 0 };

/**
 * Gives addresses of the pools to Services of type LoadBalancer, and keeps what it says on Services, pools and the other
 * configuration objects true. Of several replicas the leader does so; the others keep their stores warm.
 */
export function startController(deps: ControllerDeps, signal: AbortSignal): Controller {
  const { services, namespaces, pools, reporter, log, leadership, clock = systemClock } = deps;
  const leading = leadership?.leading ?? (() => true);
  const client = leadership === undefined ? deps.client : fencedClient(deps.client, leading);
  const findings = new Findings(deps, reporter, log);
  const { kinds } = findings;
  /** Addresses need no more; where a CRD is missing, they are given all the same. */
  const needed: readonly Syncing[] = [services, namespaces, pools];
  const stores: readonly Syncing[] = [...needed, deps.nodes, ...kinds.map(({ store }) => store)];
  const allSynced = () => stores.every(({ synced }) => synced);
  const metrics: ControllerMetrics = registerMetrics(
    {
      usage: () => assignment.planner.allocator.usage(),
      waiting: () => assignment.planner.complaints.size,
      leading,
      configLoaded: () => findings.report !== undefined,
      configStale: () => findings.problems.length > 0,
    },
    deps.metrics,
  );
  const assignment = new Assignment({
    ...{ client, services, namespaces, reporter, log, clock },
    served: deps.lbClass,
    memory: deps.memory ?? FORGETS_AT_ONCE,
    metrics: () => metrics,
  });
  /** False until this replica has read all that the leader before it wrote. */
  let inOffice = false;
  let configChanged = true;
  /** True once every Service has been looked at since then: before, the account does not hold all that is in use. */
  let complete = false;
  let ready = false;
  let cancelWake = () => {};

  const takeOffice = async () => {
    if (leadership !== undefined) await caughtUp(client, SERVICES, services, signal);
    assignment.startAnew();
    configChanged = true;
    complete = false;
    inOffice = true;
  };

  const work = async () => {
    if (!needed.every(({ synced }) => synced)) return;
    if (!leading()) {
      inOffice = false;
      findings.retire();
      return;
    }
    if (!inOffice) await takeOffice();
    if (configChanged) {
      configChanged = false;
      assignment.configure(findings.read({ complete: allSynced() }));
      told.poke();
    }
    const finished = await assignment.run(() => {
      complete ||= assignment.planner.idle;
      ready ||= complete;
      counters.poke();
      cancelWake();
      const rest = assignment.nextWake();
      if (rest !== undefined) cancelWake = clock.after(rest + 1, wake);
    });
    if (!finished) runner.poke();
  };

  const wake = () => {
    assignment.planner.markWaiting();
    runner.poke();
  };

  const onError = (error: unknown) => {
    if (hasCode(error, "IB_NOT_LEADER")) return;
    // A conflict is no trouble: the Service changed meanwhile and is decided on anew.
    const level = refusalStatus(error) === 409 ? "debug" : "warn";
    log[level]({ event: "controller.write-failed", error: explainError(error) }, "cannot write everything, will retry");
  };

  const runner = startRunner(work, { minInterval: 10, retryInterval: 1000, maxInterval: 600_000, onError }, signal);
  const counters = startPoolStatus(
    {
      ...{ client, pools, reporter, log },
      allocator: () => (inOffice && complete ? assignment.planner.allocator : undefined),
      usage: new PoolUsageWatch(deps.usageThresholds ?? []),
    },
    signal,
  );
  const states = deps.states === undefined ? {} : { states: deps.states };
  const told = startConfigStatus(
    { ...{ client, kinds, clock, log }, ...states, report: () => findings.report },
    signal,
  );
  const reactions = {
    service: (key: string, before: V1Service | undefined, after: V1Service | undefined) => {
      assignment.noteChange(key, before, after);
      runner.poke();
    },
    namespace: (name: string) => {
      assignment.planner.markNamespace(name);
      runner.poke();
    },
    config: () => {
      configChanged = true;
      runner.poke();
    },
    status: () => {
      counters.poke();
      told.poke();
    },
  };
  watchChanges(deps, kinds, reactions, signal);
  if (deps.states !== undefined)
    signal.addEventListener("abort", deps.states.store.subscribe(told.poke), { once: true });
  if (leadership !== undefined) signal.addEventListener("abort", leadership.subscribe(runner.poke), { once: true });
  signal.addEventListener("abort", () => cancelWake(), { once: true });
  for (const { whenSynced } of needed) void whenSynced.then(runner.poke);
  void Promise.all(stores.map(({ whenSynced }) => whenSynced)).then(reactions.config);

  return {
    done: Promise.all([runner.done, counters.done, told.done]).then(() => {}),
    ready: () => ready || (!leading() && allSynced()),
    state: () => ({
      leading: leading(),
      ...(leadership === undefined ? {} : { leader: leadership.holder() }),
      pools: assignment.planner.allocator.usage().map((usage) => ({ pool: usage.pool, ...poolStatus(usage) })),
      waiting: Object.fromEntries(
        Array.from(assignment.planner.complaints, ([key, { message }]) => [key, message]).slice(0, STATE_LIMIT),
      ),
      problems: findings.problems.map(({ message }) => message).slice(0, STATE_LIMIT),
    }),
    poke: runner.poke,
  };
}

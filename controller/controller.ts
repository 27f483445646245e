import type { ConfigurationState } from "../config/mod.ts";
import { explainError, hasCode, type Log, type Metrics, startRunner, systemClock } from "../core/mod.ts";
import { fencedClient, refusalStatus, type Store } from "../kube/mod.ts";
import { startConfigStatus } from "./config-status.ts";
import { Duty, type DutyDeps } from "./duty.ts";
import { registerMetrics } from "./metrics.ts";
import { startNodeCidrs } from "./node-cidrs.ts";
import type { PodCidrSettings } from "./pod-cidrs.ts";
import { poolStatus, startPoolStatus } from "./pool-status.ts";
import { PoolUsageWatch } from "./pool-usage.ts";
import { watchChanges } from "./watch-changes.ts";

export interface ControllerDeps extends DutyDeps {
  readonly metrics: Metrics;
  /** Where the ConfigurationState is kept; absent: none is. */
  readonly states?: { readonly namespace: string; readonly store: Store<ConfigurationState> };
  /** Percent of a pool in use at which its users are told, in rising order. */
  readonly usageThresholds?: readonly number[];
  /** Give nodes their pod prefixes; absent: somebody else does. */
  readonly podCidrs?: PodCidrSettings;
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

/** Waiting Services and mistakes that state() names at most. */
const STATE_LIMIT = 100;

/**
 * Gives addresses of the pools to Services of type LoadBalancer, and keeps what it says on Services, pools and the other
 * configuration objects true. Of several replicas the leader does so; the others keep their stores warm.
 */
export function startController(deps: ControllerDeps, signal: AbortSignal): Controller {
  const { pools, reporter, log, leadership, states, usageThresholds = [], podCidrs, clock = systemClock } = deps;
  const client = leadership === undefined ? deps.client : fencedClient(deps.client, leadership.leading);
  const metrics = registerMetrics(
    {
      usage: () => duty.assignment.planner.allocator.usage(),
      waiting: () => duty.assignment.planner.complaints.size,
      leading: () => duty.leading,
      configLoaded: () => duty.findings.report !== undefined,
      configStale: () => duty.findings.problems.length > 0,
    },
    deps.metrics,
  );
  const news = {
    onConfig: () => told.poke(),
    onPlanned: () => counters.poke(),
    onWake: () => runner.poke(),
  };
  const duty = new Duty({ ...deps, client }, metrics, news, signal);
  const { kinds } = duty.findings;
  const pace = { minInterval: 10, retryInterval: 1000, maxInterval: 600_000 };
  const runner = startRunner(() => duty.work(), { ...pace, onError: (error) => tellFailure(log, error) }, signal);
  const usage = new PoolUsageWatch(usageThresholds);
  const counters = startPoolStatus({ client, pools, reporter, log, allocator: () => duty.account, usage }, signal);
  const statusDeps = { client, kinds, nodes: deps.nodes, clock, log, report: () => duty.findings.report };
  const told = startConfigStatus(states === undefined ? statusDeps : { ...statusDeps, states }, signal);
  const onStatus = () => {
    counters.poke();
    told.poke();
  };
  watchChanges(deps, kinds, duty, onStatus, signal);
  if (states !== undefined) signal.addEventListener("abort", states.store.subscribe(told.poke), { once: true });
  if (leadership !== undefined) signal.addEventListener("abort", leadership.subscribe(runner.poke), { once: true });
  const giving = podCidrs === undefined ? undefined : startNodeCidrs({ ...deps, client, settings: podCidrs }, signal);

  return {
    done: Promise.all([runner.done, counters.done, told.done, giving?.done]).then(() => {}),
    ready: () => duty.ready,
    state: () => ({
      leading: duty.leading,
      ...(leadership === undefined ? {} : { leader: leadership.holder() }),
      ...stateOf(duty),
    }),
    poke: runner.poke,
  };
}

function tellFailure(log: Log, error: unknown): void {
  if (hasCode(error, "IB_NOT_LEADER")) return;
  // A conflict is no trouble: the Service changed meanwhile and is decided on anew.
  const level = refusalStatus(error) === 409 ? "debug" : "warn";
  log[level]({ event: "controller.write-failed", error: explainError(error) }, "cannot write everything, will retry");
}

function stateOf({ assignment: { planner }, findings }: Duty): object {
  const waiting = Array.from(planner.complaints, ([key, { message }]) => [key, message]).slice(0, STATE_LIMIT);
  return {
    pools: planner.allocator.usage().map((usage) => ({ pool: usage.pool, ...poolStatus(usage) })),
    waiting: Object.fromEntries(waiting),
    problems: findings.problems.map(({ message }) => message).slice(0, STATE_LIMIT),
  };
}

import type { Config } from "../config/mod.ts";
import type { Clock, Log } from "../core/mod.ts";
import {
  type KubeClient,
  objectKey,
  type Reporter,
  type Store,
  type V1Namespace,
  type V1Service,
} from "../kube/mod.ts";
import { AddressMemory, type MemoryTimes } from "./address-memory.ts";
import type { ControllerMetrics } from "./metrics.ts";
import { Planner } from "./planner.ts";
import { currentAddresses, type ServedClass } from "./requests.ts";
import { planWriter } from "./writer.ts";

/** Services decided about at once: some tens of milliseconds of work. */
const BATCH = 250;

export interface AssignmentDeps {
  readonly client: KubeClient;
  readonly services: Store<V1Service>;
  readonly namespaces: Store<V1Namespace>;
  readonly reporter: Reporter;
  readonly log: Log;
  readonly clock: Clock;
  readonly served: ServedClass;
  readonly memory: MemoryTimes;
  readonly metrics: ControllerMetrics;
}

/** The account of who has which address and the writing of it, between changes of the leader. */
export class Assignment {
  readonly #deps: AssignmentDeps;
  readonly #memory: AddressMemory;
  readonly #write: ReturnType<typeof planWriter>;
  /** By namespace/name: since when a Service without an address is known. Milliseconds of the clock. */
  readonly #since = new Map<string, number>();
  planner: Planner;

  constructor(deps: AssignmentDeps) {
    const { client, reporter, log, clock } = deps;
    this.#deps = deps;
    this.#memory = new AddressMemory(deps.memory);
    this.planner = this.#newPlanner();
    this.#write = planWriter({
      client,
      reporter,
      log,
      now: () => clock.date(),
      onGiven: (service) => this.#noteGiven(objectKey(service)),
      putBack: (plan) => {
        this.#deps.metrics.updateErrors.inc();
        this.planner.putBack(plan);
      },
    });
  }

  /** Forgets the account: another replica had it meanwhile. What Services gave up stays remembered. */
  startAnew(): void {
    this.planner = this.#newPlanner();
  }

  configure(config: Config): void {
    this.planner.configure(config);
  }

  /** To be told of every change of a Service, also while another replica leads. */
  noteChange(key: string, before: V1Service | undefined, after: V1Service | undefined): void {
    this.planner.mark(key);
    const had = before === undefined ? [] : currentAddresses(before);
    const asks = after?.spec?.type === "LoadBalancer";
    if (had.length > 0 && before?.spec?.type === "LoadBalancer" && !asks) {
      this.#memory.note(key, had, this.#deps.clock.now());
    }
    if (!asks) this.#since.delete(key);
    else if (currentAddresses(after).length === 0 && !this.#since.has(key))
      this.#since.set(key, this.#deps.clock.now());
  }

  /**
   * Decides about the Services that are marked, or about all when none is, and writes it: as many as can be done without
   * being late for a renewal of the lease.
   * @returns False while others are still to be looked at.
   */
  async run(onPlanned: () => void): Promise<boolean> {
    if (this.planner.idle) this.planner.markAll();
    const begun = performance.now();
    const plans = this.planner.plan(this.#deps.clock.now(), BATCH);
    this.#deps.metrics.planSeconds.observe((performance.now() - begun) / 1000);
    this.#deps.metrics.updates.inc(plans.length);
    onPlanned();
    await this.#write(plans);
    return this.planner.idle;
  }

  /** Milliseconds until an address that rests can go to somebody who waits; undefined when none rests. */
  nextWake(): number | undefined {
    return this.#memory.nextEnd(this.#deps.clock.now());
  }

  #noteGiven(key: string): void {
    const since = this.#since.get(key);
    if (since === undefined) return;
    this.#since.delete(key);
    this.#deps.metrics.assignmentSeconds.observe((this.#deps.clock.now() - since) / 1000);
  }

  #newPlanner(): Planner {
    const { services, namespaces, served } = this.#deps;
    const cluster = {
      service: (key: string) => services.get(key),
      services: () => services.list(),
      namespaceLabels: (name: string) => namespaces.get(name)?.metadata?.labels ?? {},
    };
    return new Planner(cluster, served, this.#memory);
  }
}

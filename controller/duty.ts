import { type Clock, type Log, systemClock } from "../core/mod.ts";
import {
  type KubeClient,
  type Leadership,
  type Reporter,
  SERVICES,
  type Store,
  type V1Namespace,
  type V1Service,
} from "../kube/mod.ts";
import type { MemoryTimes } from "./address-memory.ts";
import type { Allocator } from "./allocator.ts";
import { Assignment } from "./assignment.ts";
import { caughtUp } from "./catch-up.ts";
import type { ConfigStores } from "./config-stores.ts";
import { Findings } from "./findings.ts";
import type { ControllerMetrics } from "./metrics.ts";

export interface DutyDeps extends ConfigStores {
  readonly client: KubeClient;
  readonly services: Store<V1Service>;
  readonly namespaces: Store<V1Namespace>;
  readonly reporter: Reporter;
  readonly log: Log;
  /** Serve Services of this loadBalancerClass; absent: those without a class. */
  readonly lbClass?: string;
  /** Which replica works; absent: this is the only one. */
  readonly leadership?: Leadership;
  readonly memory?: MemoryTimes;
  readonly clock?: Clock;
}

/** What others do when the duty has come to something. */
export interface DutyNews {
  /** The configuration was read. */
  readonly onConfig: () => void;
  /** Addresses were given or taken. */
  readonly onPlanned: () => void;
  /** There is something to do: call work(). */
  readonly onWake: () => void;
}

type Syncing = Pick<Store<V1Service>, "synced" | "whenSynced">;

const FORGETS_AT_ONCE: MemoryTimes = { remember: 0, coolDown: 0 };

/** What the leader does, from the day it takes office: reads the configuration, and gives addresses by it. */
export class Duty {
  readonly findings: Findings;
  readonly assignment: Assignment;
  readonly #deps: DutyDeps;
  readonly #news: DutyNews;
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  /** Addresses need no more; where a CRD is missing, they are given all the same. */
  readonly #needed: readonly Syncing[];
  readonly #stores: readonly Syncing[];
  /** False until this replica has read all that the leader before it wrote. */
  #inOffice = false;
  #configChanged = true;
  /** True once every Service has been looked at since then: before, the account does not hold all that is in use. */
  #complete = false;
  #everComplete = false;
  #cancelWake = () => {};

  constructor(deps: DutyDeps, metrics: ControllerMetrics, news: DutyNews, signal: AbortSignal) {
    const { services, namespaces, pools, nodes, reporter, log, lbClass: served, clock = systemClock } = deps;
    const { memory = FORGETS_AT_ONCE } = deps;
    this.#deps = deps;
    this.#news = news;
    this.#signal = signal;
    this.#clock = clock;
    this.findings = new Findings(deps, reporter, log);
    this.assignment = new Assignment({ ...deps, served, memory, clock, metrics });
    this.#needed = [services, namespaces, pools];
    this.#stores = [...this.#needed, nodes, ...this.findings.kinds.map(({ store }) => store)];
    for (const { whenSynced } of this.#needed) void whenSynced.then(news.onWake);
    void Promise.all(this.#stores.map(({ whenSynced }) => whenSynced)).then(() => this.noteConfig());
    signal.addEventListener("abort", () => this.#cancelWake(), { once: true });
  }

  get leading(): boolean {
    return this.#deps.leadership?.leading() ?? true;
  }

  /** True once waiting Services have been looked at, or while another replica leads and this one could. */
  get ready(): boolean {
    return this.#everComplete || (!this.leading && this.#allSynced());
  }

  /** The account of what is in use; undefined while it is not whole. */
  get account(): Allocator | undefined {
    return this.#inOffice && this.#complete ? this.assignment.planner.allocator : undefined;
  }

  noteConfig(): void {
    this.#configChanged = true;
    this.#news.onWake();
  }

  noteService(key: string, before: V1Service | undefined, after: V1Service | undefined): void {
    this.assignment.noteChange(key, before, after);
    this.#news.onWake();
  }

  noteNamespace(name: string): void {
    this.assignment.planner.markNamespace(name);
    this.#news.onWake();
  }

  async work(): Promise<void> {
    if (!this.#needed.every(({ synced }) => synced)) return;
    if (!this.leading) {
      this.#inOffice = false;
      this.findings.retire();
      return;
    }
    if (!this.#inOffice) await this.#takeOffice();
    if (this.#configChanged) {
      this.#configChanged = false;
      this.assignment.configure(this.findings.read({ complete: this.#allSynced() }));
      this.#news.onConfig();
    }
    const finished = await this.assignment.run(() => this.#notePlanned());
    if (!finished) this.#news.onWake();
  }

  async #takeOffice(): Promise<void> {
    const { leadership, client, services } = this.#deps;
    if (leadership !== undefined) await caughtUp(client, SERVICES, services, this.#signal);
    this.assignment.startAnew();
    this.#configChanged = true;
    this.#complete = false;
    this.#inOffice = true;
  }

  #notePlanned(): void {
    this.#complete ||= this.assignment.planner.idle;
    this.#everComplete ||= this.#complete;
    this.#news.onPlanned();
    this.#cancelWake();
    const rest = this.assignment.nextWake();
    if (rest !== undefined) this.#cancelWake = this.#clock.after(rest + 1, () => this.#noteRested());
  }

  /** An address has rested long enough to go to somebody who waits. */
  #noteRested(): void {
    this.assignment.planner.markWaiting();
    this.#news.onWake();
  }

  #allSynced(): boolean {
    return this.#stores.every(({ synced }) => synced);
  }
}

import { ANNOTATION, annotationKey, byAge, type Config, type Labels } from "../config/mod.ts";
import { type EventNote, objectKey, type V1Service } from "../kube/mod.ts";
import { Allocator } from "./allocator.ts";
import { type Decision, decide, type Reason } from "./decide.ts";
import { currentAddresses, readRequest, type ServedClass } from "./requests.ts";
import type { ServiceStatus } from "./service-status.ts";

/** The cluster, as far as addresses depend on it. */
export interface Cluster {
  service(key: string): V1Service | undefined;
  services(): readonly V1Service[];
  namespaceLabels(namespace: string): Labels;
}

/** What to write to one Service, and what to tell about it afterwards. */
export interface Plan {
  readonly key: string;
  readonly service: V1Service;
  /** Undefined: leave the status as it is. */
  readonly status: ServiceStatus | undefined;
  readonly notes: readonly EventNote[];
  readonly reasons: readonly Reason[];
}

/**
 * Keeps the account of all Services and says what has to be written. Does no I/O: it looks at the Services whose keys
 * were marked and at those whose wish can be granted because of them, and at no others.
 */
export class Planner {
  readonly allocator = new Allocator();
  readonly #cluster: Cluster;
  readonly #served: ServedClass;
  #broken: ReadonlySet<string> = new Set();
  readonly #marked = new Set<string>();
  /** What stands in the way of each Service that wants more than it has. */
  readonly #complaints = new Map<string, EventNote>();
  /** Notes of plans that could not be written, until the next plan for the same Service is. */
  readonly #untold = new Map<string, readonly EventNote[]>();

  constructor(cluster: Cluster, served: ServedClass) {
    this.#cluster = cluster;
    this.#served = served;
  }

  /** By "namespace/name". */
  get complaints(): ReadonlyMap<string, EventNote> {
    return this.#complaints;
  }

  get idle(): boolean {
    return this.#marked.size === 0;
  }

  mark(key: string): void {
    this.#marked.add(key);
  }

  markAll(): void {
    for (const service of this.#cluster.services()) this.#marked.add(objectKey(service));
  }

  markNamespace(namespace: string): void {
    for (const service of this.#cluster.services()) {
      if (service.metadata?.namespace === namespace) this.#marked.add(objectKey(service));
    }
  }

  configure(config: Config): void {
    this.allocator.setPools(config.pools);
    this.#broken = new Set(config.problems.filter(({ kind }) => kind === "IPAddressPool").map(({ name }) => name));
    this.markAll();
  }

  /** To be called with a plan that could not be written. */
  putBack({ key, notes }: Plan): void {
    this.#untold.set(key, notes);
    this.#marked.add(key);
  }

  /** One plan for each Service looked at; the allocator holds what they say as soon as this returns. */
  plan(): readonly Plan[] {
    const plans = new Map<string, Plan>();
    for (let wave = this.#nextWave(); wave.length > 0; wave = this.#nextWave()) {
      for (const key of wave) this.#planOne(key, plans);
    }
    return [...plans.values()];
  }

  /**
   * The marked keys to look at next: first the Services that hold an address or are gone, so that an address in use is
   * claimed before it can be given away, and what they give up can go to the one that waits longest; then the others,
   * first come first served.
   */
  #nextWave(): readonly string[] {
    const marked = Array.from(this.#marked, (key) => ({ key, service: this.#cluster.service(key) }));
    const holders = marked.filter(
      ({ key, service }) =>
        service === undefined || this.allocator.claimOf(key) !== undefined || currentAddresses(service).length > 0,
    );
    const wave = holders.length > 0 ? holders : marked;
    wave.sort((a, b) => byAge(a.service ?? {}, b.service ?? {}));
    for (const { key } of wave) this.#marked.delete(key);
    return wave.map(({ key }) => key);
  }

  #planOne(key: string, plans: Map<string, Plan>): void {
    const service = this.#cluster.service(key);
    if (service === undefined) {
      this.#forget(key);
      return;
    }
    const decision = decide(this.#situationOf(key, service), this.allocator, this.#broken);
    const notes = [...(plans.get(key)?.notes ?? this.#untold.get(key) ?? []), ...this.#newsOf(key, decision)];
    this.#untold.delete(key);
    plans.set(key, { key, service, status: decision.status, notes, reasons: decision.reasons });
    if (decision.freed) this.#markWaiting();
  }

  #situationOf(key: string, service: V1Service) {
    const labels = this.#cluster.namespaceLabels(service.metadata?.namespace ?? "");
    return {
      key,
      asked: readRequest(service, labels, this.#served),
      current: currentAddresses(service),
      recordedPool: service.metadata?.annotations?.[annotationKey(ANNOTATION.allocatedFromPool)],
    };
  }

  /** What has happened, and the complaint unless it has been told before. */
  #newsOf(key: string, { events, complaint }: Decision): readonly EventNote[] {
    const before = this.#complaints.get(key);
    if (complaint === undefined) {
      this.#complaints.delete(key);
      return events;
    }
    this.#complaints.set(key, complaint);
    return complaint.message === before?.message ? events : [...events, complaint];
  }

  #forget(key: string): void {
    this.#complaints.delete(key);
    this.#untold.delete(key);
    if (this.allocator.claimOf(key) === undefined) return;
    this.allocator.release(key);
    this.#markWaiting();
  }

  #markWaiting(): void {
    for (const key of this.#complaints.keys()) this.#marked.add(key);
  }
}

import { ANNOTATION, annotationKey, byAge, type Config, type Labels } from "../config/mod.ts";
import { type EventNote, objectKey, type V1Service } from "../kube/mod.ts";
import type { AddressMemory } from "./address-memory.ts";
import { Allocator, sameAddresses } from "./allocator.ts";
import { type Decision, decide, type Reason, type Situation } from "./decide.ts";
import { currentAddresses, readRequest, type ServedClass } from "./requests.ts";
import { addressCondition } from "./service-condition.ts";
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

interface Subject {
  readonly key: string;
  /** Undefined: deleted. */
  readonly service: V1Service | undefined;
}

/**
 * Keeps the account of all Services and says what has to be written. Does no I/O: it looks at the Services whose keys
 * were marked and at those whose wish can be granted because of them, and at no others.
 */
export class Planner {
  readonly allocator = new Allocator();
  readonly #memory: AddressMemory;
  readonly #cluster: Cluster;
  readonly #served: ServedClass;
  #broken: ReadonlySet<string> = new Set();
  readonly #marked = new Set<string>();
  /** What stands in the way of each Service that wants more than it has. */
  readonly #complaints = new Map<string, EventNote>();
  /** Plans that could not be written, until the Service is looked at again. */
  readonly #unwritten = new Map<string, Plan>();
  /** What the run of plan() under way has come to so far: newer than what the cluster shows. */
  #drafts = new Map<string, Plan>();

  /** The keys that are to be looked at before any other that is marked. */
  #wave: ArrayIterator<string> = [].values();
  #waveSize = 0;
  /** When plan() was called last. */
  #now = 0;

  constructor(cluster: Cluster, served: ServedClass, memory: AddressMemory) {
    this.#cluster = cluster;
    this.#served = served;
    this.#memory = memory;
  }

  /** By "namespace/name". */
  get complaints(): ReadonlyMap<string, EventNote> {
    return this.#complaints;
  }

  get idle(): boolean {
    return this.#marked.size === 0 && this.#waveSize === 0;
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
  putBack(plan: Plan): void {
    this.#unwritten.set(plan.key, plan);
    this.#marked.add(plan.key);
  }

  /**
   * One plan for each Service looked at; the allocator holds what they say as soon as this returns. Services beyond
   * `limit` stay marked, so that deciding about very many does not keep the program from everything else.
   * @param now Milliseconds of the clock that the memory of addresses goes by.
   */
  plan(now: number, limit = Number.POSITIVE_INFINITY): readonly Plan[] {
    this.#now = now;
    this.allocator.rest(this.#memory.cooling(now));
    this.#drafts = new Map();
    for (let looked = 0; looked < limit; looked++) {
      const key = this.#wave.next().value ?? this.#nextWave();
      if (key === undefined) break;
      this.#waveSize--;
      this.#planOne(key);
    }
    return [...this.#drafts.values()];
  }

  /**
   * Begins with the marked keys to look at next, and gives the first of them: first the Services that hold an address or
   * are gone, so that an address in use is claimed before it can be given away, and what they give up can go to the one
   * that waits longest; then the others, first come first served.
   */
  #nextWave(): string | undefined {
    const marked: readonly Subject[] = Array.from(this.#marked, (key) => ({
      key,
      service: this.#cluster.service(key),
    }));
    const holders = marked.filter((subject) => this.#isHolder(subject));
    const wave = holders.length > 0 ? holders : [...marked];
    wave.sort((a, b) => byAge(a.service ?? {}, b.service ?? {}));
    for (const { key } of wave) {
      this.#marked.delete(key);
      this.#claimCurrent(key);
    }
    this.#wave = wave.map(({ key }) => key).values();
    this.#waveSize = wave.length;
    return this.#wave.next().value;
  }

  #isHolder({ key, service }: Subject): boolean {
    if (service === undefined || this.allocator.claimOf(key) !== undefined) return true;
    return !this.#drafts.has(key) && currentAddresses(service).length > 0;
  }

  /**
   * Claims what a Service's status shows and nobody holds yet, as after a restart. Whether it may keep that is decided
   * afterwards; until then, a Service that must take another address can't take this one.
   */
  #claimCurrent(key: string): void {
    const service = this.#cluster.service(key);
    if (service === undefined || this.#drafts.has(key) || this.allocator.claimOf(key) !== undefined) return;
    const { asked, current } = this.#situationOf(key, service);
    if (typeof asked === "object" && current.length > 0) this.allocator.reclaim(asked.tenant, current);
  }

  #planOne(key: string): void {
    const service = this.#cluster.service(key);
    if (service === undefined) {
      this.#forget(key);
      return;
    }
    const situation = this.#situationOf(key, service);
    const decision = decide(situation, this.allocator, this.#broken);
    const condition = addressCondition(situation.asked, decision, service.metadata?.generation);
    const status = decision.status && { ...decision.status, condition };
    const notes = [...this.#untoldOf(key, decision), ...this.#newsOf(key, decision)];
    this.#unwritten.delete(key);
    this.#drafts.set(key, { key, service, status, notes, reasons: decision.reasons });
    if (decision.freed) this.markWaiting();
  }

  #situationOf(key: string, service: V1Service): Situation {
    const labels = this.#cluster.namespaceLabels(service.metadata?.namespace ?? "");
    const draft = this.#drafts.get(key)?.status;
    return {
      key,
      asked: readRequest(service, labels, this.#served),
      current: draft === undefined ? currentAddresses(service) : draft.addresses,
      remembered: this.#memory.of(key, this.#now),
      recordedPool:
        draft === undefined ? service.metadata?.annotations?.[annotationKey(ANNOTATION.allocatedFromPool)] : draft.pool,
    };
  }

  /** The notes of an earlier plan that still hold, since it was not written or is still a draft. */
  #untoldOf(key: string, { status }: Decision): readonly EventNote[] {
    const draft = this.#drafts.get(key);
    if (draft !== undefined) return draft.notes;
    const unwritten = this.#unwritten.get(key);
    const same = sameAddresses(unwritten?.status?.addresses ?? [], status?.addresses ?? []);
    return unwritten !== undefined && same ? unwritten.notes : [];
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
    this.#unwritten.delete(key);
    if (this.allocator.claimOf(key) === undefined) return;
    this.allocator.release(key);
    this.markWaiting();
  }

  /** To be called when addresses have come free that nobody gave up just now. */
  markWaiting(): void {
    for (const key of this.#complaints.keys()) this.#marked.add(key);
  }
}

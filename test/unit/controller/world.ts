import { type IPAddressPool, type Labels, resolveConfig } from "../../../config/mod.ts";
import { AddressMemory, type MemoryTimes } from "../../../controller/address-memory.ts";
import { type Plan, Planner } from "../../../controller/planner.ts";
import { currentAddresses } from "../../../controller/requests.ts";
import { statusPatch } from "../../../controller/service-status.ts";
import { inOrder } from "../../../controller/writer.ts";
import { type EventNote, objectKey, type V1Service } from "../../../kube/mod.ts";

/** A cluster without an API: what the planner says is written at once, and seen at once. */
export class World {
  readonly services = new Map<string, V1Service>();
  readonly namespaces = new Map<string, Labels>();
  readonly notes: (EventNote & { readonly key: string })[] = [];
  /** Services whose status was written, in order. */
  readonly writes: string[] = [];
  /** How many of the next writes the API refuses. */
  refusals = 0;
  /** Milliseconds. */
  now = 0;
  readonly #served: string | undefined;
  readonly #memory: AddressMemory;
  #pools: readonly IPAddressPool[] = [];
  planner: Planner;

  constructor(served?: string, memory: MemoryTimes = { remember: 0, coolDown: 0 }) {
    this.#served = served;
    this.#memory = new AddressMemory(memory);
    this.planner = this.#newPlanner();
  }

  /** The controller starts anew, with nothing but what the API holds. */
  restart(pools: readonly IPAddressPool[] = this.#pools): void {
    this.planner = this.#newPlanner();
    this.setPools(pools);
  }

  setPools(pools: readonly IPAddressPool[]): void {
    this.#pools = pools;
    this.planner.configure(resolveConfig({ pools, l2Advertisements: [] }));
  }

  set(service: V1Service): void {
    this.services.set(objectKey(service), service);
    this.planner.mark(objectKey(service));
  }

  /** Changes a Service as its user would: the status stays. */
  edit(key: string, change: (service: V1Service) => V1Service): void {
    const before = this.services.get(key)!;
    const after = change(before);
    if (after.spec?.type !== "LoadBalancer") this.#remember(key, before);
    this.set(before.status === undefined ? after : { ...after, status: before.status });
  }

  remove(key: string): void {
    const service = this.services.get(key);
    if (service !== undefined) this.#remember(key, service);
    this.services.delete(key);
    this.planner.mark(key);
  }

  relabel(namespace: string, labels: Labels): void {
    this.namespaces.set(namespace, labels);
    this.planner.markNamespace(namespace);
  }

  /** Time passes, and those that wait for an address that rests are looked at. */
  wait(milliseconds: number): void {
    this.now += milliseconds;
    this.planner.markWaiting();
  }

  /** The leader dies after some of the writes of what it has decided; the next one starts. */
  kill(writes: number): void {
    const { now, later } = inOrder(this.planner.plan(this.now));
    for (const plan of [...now, ...later].slice(0, writes)) this.#write(plan);
    this.restart();
  }

  /** Lets everything that follows from the changes happen. */
  settle(): void {
    while (!this.planner.idle) for (const plan of this.planner.plan(this.now)) this.#write(plan);
  }

  /** "10.0.0.1,fc00::1", or "" while the Service waits. */
  ips(key: string): string {
    return (this.services.get(key)?.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip).join(",");
  }

  pool(key: string): string | undefined {
    return this.services.get(key)?.metadata?.annotations?.["metallb.io/ip-allocated-from-pool"];
  }

  #remember(key: string, service: V1Service): void {
    const had = service.spec?.type === "LoadBalancer" ? currentAddresses(service) : [];
    if (had.length > 0) this.#memory.note(key, had, this.now);
  }

  #write(plan: Plan): void {
    const { key, service, status, notes } = plan;
    const patch = status && statusPatch(service, status, () => new Date(0));
    if (patch !== undefined && this.refusals > 0) {
      this.refusals--;
      this.planner.putBack(plan);
      return;
    }
    for (const note of notes) this.notes.push({ ...note, key });
    if (patch === undefined || status === undefined) return;
    this.writes.push(key);
    const { "metallb.io/ip-allocated-from-pool": _, ...annotations } = service.metadata?.annotations ?? {};
    const recorded = status.pool === undefined ? {} : { "metallb.io/ip-allocated-from-pool": status.pool };
    this.set({
      ...service,
      metadata: { ...service.metadata, annotations: { ...annotations, ...recorded } },
      status: patchedStatus(service, patch),
    });
  }

  #newPlanner(): Planner {
    return new Planner(
      {
        service: (key) => this.services.get(key),
        services: () => [...this.services.values()],
        namespaceLabels: (name) => this.namespaces.get(name) ?? {},
      },
      this.#served,
      this.#memory,
    );
  }
}

/** The status a merge patch leaves behind: null means gone. */
function patchedStatus({ status: before }: V1Service, patch: object): NonNullable<V1Service["status"]> {
  const { status } = patch as { status: { loadBalancer: { ingress: { ip: string }[] | null }; conditions?: never } };
  const { ingress } = status.loadBalancer;
  const conditions = status.conditions === undefined ? before?.conditions : (status.conditions ?? undefined);
  return { loadBalancer: ingress === null ? {} : { ingress }, ...(conditions === undefined ? {} : { conditions }) };
}

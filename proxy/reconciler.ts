import { setImmediate as nextTurn } from "node:timers/promises";
import type { V1Service } from "../kube/mod.ts";
import type { Family } from "../net/mod.ts";
import type { Backend } from "./backend.ts";
import type { Backlog, Batch, ProxyStores } from "./backlog.ts";
import { familyOf, tryParsePrefix } from "./canonical.ts";
import { RULE_HOMES, removeRules } from "./cleanup.ts";
import { type DataPlane, type DataPlaneOptions, openDataPlane } from "./data-plane.ts";
import { desiredPorts } from "./desired.ts";
import { drainOf } from "./drain.ts";
import { healthCheckOf } from "./health-check.ts";
import type { HealthServers } from "./health-server.ts";
import type { Owner } from "./ledger.ts";
import { ipFamily, type ProxyMetrics } from "./metrics.ts";
import type { NoLocalEndpoints } from "./no-local-endpoints.ts";
import { nodePortAddresses } from "./node-port-addresses.ts";
import { portsTaken, SCTP_GAPS, type SctpGap } from "./sctp.ts";
import type { ServicePort } from "./service-port.ts";
import { serviceRanges } from "./service-ranges.ts";
import { spreadOf } from "./spread.ts";
import type { StaleFlows } from "./stale-flows.ts";
import { type Surroundings, surroundingsOf } from "./surroundings.ts";
import type { Upkeep } from "./upkeep.ts";

export interface ReconcilerOptions extends ProxyStores, DataPlaneOptions {
  readonly node: string;
  readonly metrics: ProxyMetrics;
  readonly flows: StaleFlows;
  readonly health: HealthServers;
  readonly noLocal: NoLocalEndpoints;
}

/** Services computed between two turns of the event loop: a start with tens of thousands must not starve the rest. */
const TURN = 500;
/** Milliseconds. */
const LONGEST_PAUSE = 300_000;

/** Brings the kernel to what the stores say, a batch of changes at a time. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #backlog: Backlog;
  readonly #owners = new Map<string, Owner>();
  /** The object that each Service's rules in the kernel were made from. */
  readonly #written = new Map<string, V1Service>();
  #plane: DataPlane | undefined;
  #openedFor = "";
  #surroundings: Surroundings | undefined;
  #inHand: Batch | undefined;
  #othersRemoved = false;

  constructor(options: ReconcilerOptions, backlog: Backlog) {
    this.#options = options;
    this.#backlog = backlog;
  }

  get inForce(): boolean {
    return this.#plane?.planes.every(({ upkeep }) => upkeep.inForce) ?? false;
  }

  /** Milliseconds until sync() will want to look at the kernel, changes or not. */
  get pause(): number {
    return Math.min(LONGEST_PAUSE, ...(this.#plane?.planes ?? []).map(({ upkeep }) => upkeep.pause));
  }

  /** Somebody else changed nftables. */
  notice(): void {
    for (const { upkeep } of this.#plane?.planes ?? []) upkeep.notice();
  }

  programmed(key: string): boolean {
    const isPending = this.#backlog.has(key) || (this.#inHand?.services.has(key) ?? false);
    // Asked by whoever heard of a change before this part did, the object itself tells.
    return this.inForce && !isPending && this.#written.get(key) === this.#options.services.get(key);
  }

  get backends(): readonly Backend[] {
    return (this.#plane?.planes ?? []).map(({ backend }) => backend);
  }

  state(): object {
    return { home: this.#plane?.home, inForce: this.inForce, services: this.#written.size };
  }

  close(): void {
    this.#plane?.close();
  }

  /**
   * Writes what changed, and everything at the first call. Does nothing before the stores are filled.
   * Returns whether anything was new.
   * @throws {IronbridgeError} The batch is kept for the next call, which reads the kernel before it writes.
   */
  async sync(): Promise<boolean> {
    const { services, slices, nodes } = this.#options;
    if (!services.synced || !slices.synced || !nodes.synced) return false;
    // Told by the node's prefixes, pods can't be told before it has some.
    if (this.#options.podDetection?.mode === "node-cidr" && this.#podCidrs() === "") return false;
    const plane = await this.#open();
    const batch = this.#backlog.take();
    const wasInForce = this.inForce;
    this.#inHand = batch;
    let written: number;
    try {
      written = await this.#writeBatch(batch, plane);
    } catch (error) {
      this.#backlog.giveBack(batch);
      throw error;
    } finally {
      this.#inHand = undefined;
    }
    // Rules that others took were not in force until they were written again.
    return batch.services.size > 0 || written > 0 || !wasInForce;
  }

  /** Removes the rules of other modes, once, when this mode's are in force: two sets side by side do no harm, none would. */
  async removeOthers(): Promise<void> {
    if (this.#othersRemoved || this.#plane === undefined || !this.inForce) return;
    const { home } = this.#plane;
    await removeRules(
      this.#options.kernel,
      RULE_HOMES.filter((other) => other !== home),
    );
    this.#othersRemoved = true;
  }

  async #open(): Promise<DataPlane> {
    const podCidrs = this.#podCidrs();
    if (this.#plane !== undefined && podCidrs === this.#openedFor) return this.#plane;
    this.#plane?.close();
    const prefixes = podCidrs.split(",").map(tryParsePrefix);
    this.#plane = await openDataPlane({ ...this.#options, podCidrs: prefixes.filter((each) => each !== undefined) });
    this.#openedFor = podCidrs;
    this.#backlog.addEverything();
    return this.#plane;
  }

  /** What the rules were opened for; they are opened again for others. "" where pods are told by something else. */
  #podCidrs(): string {
    const { podDetection, nodes, node } = this.#options;
    if (podDetection?.mode !== "node-cidr") return "";
    const { podCIDR, podCIDRs = podCIDR === undefined ? [] : [podCIDR] } = nodes.get(node)?.spec ?? {};
    return podCIDRs.join();
  }

  /** Returns how many things were written. */
  async #writeBatch(batch: Batch, plane: DataPlane): Promise<number> {
    const { metrics, clock, log } = this.#options;
    const start = clock.now();
    const current = await this.#compute(batch, plane);
    let written = 0;
    for (const { upkeep, backend } of plane.planes) {
      const result = await this.#bring(upkeep, backend.family);
      written += result.written;
      if (result.repaired > 0) metrics.repairs.inc();
    }
    for (const [key, service] of current) {
      if (service === undefined) this.#written.delete(key);
      else this.#written.set(key, service);
    }
    const took = clock.now() - start;
    const now = clock.date().getTime();
    metrics.lastSync.set(now / 1000);
    for (const trigger of batch.triggers) metrics.programmingSeconds.observe((now - trigger) / 1000);
    if (written === 0) return 0;
    metrics.syncSeconds.observe(took / 1000);
    log.debug({ event: "proxy.synced", services: batch.services.size, written, took }, "wrote the rules that changed");
    return written;
  }

  async #bring(upkeep: Upkeep, family: Family): Promise<{ readonly written: number; readonly repaired: number }> {
    try {
      return await upkeep.bring();
    } catch (error) {
      const { metrics, mode } = this.#options;
      metrics.writeFailures[mode].inc({ ip_family: ipFamily(family) });
      throw error;
    }
  }

  /** Works out what each Service of the batch needs now. Returns the objects it was worked out from. */
  async #compute(batch: Batch, plane: DataPlane): Promise<Map<string, V1Service | undefined>> {
    const { services, slices, nodes, node, flows, noLocal } = this.#options;
    if (batch.surroundingsChanged || this.#surroundings === undefined) {
      const { nodePortAddresses: chosen, kernel } = this.#options;
      const opened = chosen === undefined ? undefined : nodePortAddresses(chosen, kernel.addresses());
      this.#surroundings = surroundingsOf(nodes, node, opened);
      this.#setSurroundings(this.#surroundings, plane);
    }
    const current = new Map<string, V1Service | undefined>();
    for (const key of batch.services) {
      const service = services.get(key);
      const desired = service ? desiredPorts(service, slices.byIndex("service", key), this.#surroundings) : [];
      const ports = portsTaken(desired, plane.sctpGap);
      if (service !== this.#written.get(key)) {
        this.#tellProblems(key, service);
        this.#tellSctp(key, desired, plane.sctpGap);
      }
      noLocal.replace(key, ports);
      flows.replace(key, ports, this.#surroundings.nodePortAddresses, this.#options.clock.now());
      const slicesOf = slices.byIndex("service", key);
      this.#options.health.replace(
        key,
        service && ports.length > 0 ? healthCheckOf(service, slicesOf, node) : undefined,
      );
      const owner = this.#ownerOf(key, service, plane);
      for (const { backend } of plane.planes) {
        backend.replace(
          owner,
          ports.filter((port) => port.family === backend.family),
        );
      }
      current.set(key, service);
      if (current.size % TURN === 0) await nextTurn();
    }
    return current;
  }

  #setSurroundings({ nodePortAddresses: addresses }: Surroundings, plane: DataPlane): void {
    const { serviceCidrs = [], cidrs } = this.#options;
    for (const { backend } of plane.planes) {
      backend.setNodeAddresses(addresses.filter((ip) => familyOf(ip) === backend.family));
      backend.setServiceRanges(serviceRanges(backend.family, serviceCidrs, cidrs?.list() ?? []));
    }
  }

  #tellProblems(key: string, service: V1Service | undefined): void {
    if (service === undefined) return;
    const { balancing, problems } = spreadOf(service);
    const { log, mode } = this.#options;
    for (const problem of [...problems, ...drainOf(service).problems]) {
      log.warn(
        { event: "proxy.annotation.invalid", service: key, problem },
        "an annotation of a Service is passed over",
      );
    }
    if (mode === "iptables" && balancing !== "random") {
      const event = "proxy.balancing.unavailable";
      log.warn({ event, service: key, balancing }, "iptables spreads at random only; choose the proxy mode nftables");
    }
  }

  #tellSctp(service: string, ports: readonly ServicePort[], gap: SctpGap): void {
    if (gap === "nothing") return;
    const numbers = new Set(ports.filter(({ protocol }) => protocol === "sctp").map(({ port }) => port));
    for (const port of numbers)
      this.#options.log.warn({ event: "proxy.sctp.unavailable", service, port }, SCTP_GAPS[gap]);
  }

  /** A Service made anew under an old name has lost the old one's place in the order of age. */
  #ownerOf(key: string, service: V1Service | undefined, plane: DataPlane): Owner {
    const known = this.#owners.get(key);
    const created = service === undefined ? (known?.created ?? 0) : createdAt(service);
    if (known !== undefined && known.created !== created) {
      for (const { backend } of plane.planes) backend.replace(known, []);
    }
    const owner = { key, created };
    if (service === undefined) this.#owners.delete(key);
    else this.#owners.set(key, owner);
    return owner;
  }
}

/** Milliseconds since 1970. */
function createdAt(service: V1Service): number {
  return Date.parse(service.metadata?.creationTimestamp ?? "") || 0;
}

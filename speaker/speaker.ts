import { Worker } from "node:worker_threads";
import { type Clock, explainError, type Log, type Metrics, startRunner, systemClock } from "../core/mod.ts";
import { type Reporter, SERVICES, type Store, type V1Node } from "../kube/mod.ts";
import { tryParseAddress } from "../net/mod.ts";
import { announcementsOf, type Candidacy } from "./announce.ts";
import { type NodeStanding, type ServiceRefusal, standingOf } from "./decide.ts";
import type { Assignment, FromWorker, PeerAddress, Status, ToWorker, WorkerOptions } from "./l2/message.ts";
import { speakerMetrics } from "./metrics.ts";
import { Readiness } from "./readiness.ts";
import { type ServiceStores, ServiceView } from "./service-view.ts";

export interface SpeakerOptions extends ServiceStores {
  /** Name of the Node object of this node. */
  readonly node: string;
  readonly nodes: Store<V1Node>;
  /** True when the kernel of this node has the rules of the Service. Call poke() when an answer may have changed. */
  readonly programmed: (service: string) => boolean;
  readonly reporter: Reporter;
  readonly log: Log;
  readonly metrics: Metrics;
  /** UDP port and shared secret of the heartbeats between speakers. */
  readonly members: { readonly port: number; readonly key: Uint8Array };
  readonly clock?: Clock;
}

/** One address as the speaker of this node sees it. */
export interface AddressState {
  readonly address: string;
  readonly services: readonly string[];
  /** The node that announces it. */
  readonly holder?: string;
  /** What this node does about it: ready, holds, handsOver or standsIn; absent when it can't announce it. */
  readonly stance?: string;
  /** Every node, and why it may announce the address or not. */
  readonly nodes: Readonly<Record<string, NodeStanding>>;
}

export interface SpeakerState {
  readonly listening: boolean;
  readonly members: Status["members"];
  readonly interfaces: readonly string[];
  readonly addresses: readonly AddressState[];
  /** Services with an address that no node announces, and why. */
  readonly refused: Readonly<Record<string, ServiceRefusal>>;
}

export interface Speaker {
  /** Resolves when every address was handed over after the signal; rejects when the announcing thread failed. */
  readonly done: Promise<void>;
  /** True once this node knows the cluster and has heard the other members. */
  ready(): boolean;
  state(): SpeakerState;
  /** Says that an answer of `programmed` may have changed. */
  poke(): void;
}

/** Longest wait after the start for the rules of all Services before the node takes part with those that are there. */
const SETTLE = 3000;
const NOTHING_HEARD: Status = { listening: true, addresses: {}, members: {}, interfaces: [] };

/** Announces the external addresses of Services on the local network, together with the speakers of the other nodes. */
export function startSpeaker(options: SpeakerOptions, signal: AbortSignal): Speaker {
  const { node, nodes, services, slices, pools, l2Advertisements, programmed, log, clock = systemClock } = options;
  const stores = [services, slices, nodes, pools, l2Advertisements];
  const startedAt = clock.now();
  const readiness = new Readiness();
  const report = announcementReporter(options);
  let candidacies: ReadonlyMap<string, Candidacy> = new Map();
  let status = NOTHING_HEARD;
  let sent = "";

  const workerData: WorkerOptions = { node, ...options.members };
  const worker = new Worker(new URL("./l2/worker.ts", import.meta.url), { workerData });
  const tell = (message: ToWorker) => worker.postMessage(message);
  const exited = new Promise<void>((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
  worker.on("message", (message: FromWorker) => {
    if (message.kind === "log") log[message.level]({ event: message.event, ...message.fields }, message.message);
    if (message.kind === "counts") report.count(message.counts);
    if (message.kind !== "status") return;
    status = message.status;
    report.announced(status, candidacies);
  });

  const poke = () => runner.poke();
  const view = new ServiceView(options, poke, signal);
  const stopNodes = nodes.subscribe(poke);
  for (const store of stores) void store.whenSynced.then(poke);

  const work = async () => {
    if (!stores.every(({ synced }) => synced)) return;
    view.refresh();
    candidacies = candidaciesOf(view, nodes.get(node));
    const again = readiness.update([...candidacies.keys()], programmed, clock.now());
    if (again !== undefined) clock.after(again, poke);
    const assignment: Assignment = {
      peers: peersOf(nodes.list(), node),
      announcements: announcementsOf(candidacies.values(), (service) => readiness.isReady(service)),
      settled: clock.now() - startedAt >= SETTLE || [...candidacies.keys()].every((key) => readiness.isReady(key)),
    };
    if (!assignment.settled) clock.after(startedAt + SETTLE - clock.now(), poke);
    const text = JSON.stringify(assignment);
    if (text === sent || signal.aborted) return;
    sent = text;
    tell({ kind: "assign", assignment });
    report.announced(status, candidacies);
  };
  const onError = (error: unknown) =>
    log.error({ event: "speaker.decide", reason: explainError(error) }, "could not decide what to announce");
  const runner = startRunner(work, { minInterval: 2, retryInterval: 1000, maxInterval: 60_000, onError }, signal);

  const leave = () => {
    stopNodes();
    tell({ kind: "leave" });
  };
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });

  return {
    done: exited,
    ready: () => !status.listening,
    state: () => stateOf(view, nodes.list(), status),
    poke,
  };
}

/** The Services `node` may announce. */
function candidaciesOf(view: ServiceView, node: V1Node | undefined): ReadonlyMap<string, Candidacy> {
  const candidacies = new Map<string, Candidacy>();
  if (node === undefined) return candidacies;
  for (const [key, facts] of view.facts) {
    if (facts.refused !== undefined) continue;
    const standing = standingOf(facts, node);
    if (!("refused" in standing)) candidacies.set(key, { facts, standing });
  }
  return candidacies;
}

/** The other nodes and the IPv4 address their agents listen on. */
function peersOf(nodes: readonly V1Node[], self: string): PeerAddress[] {
  return nodes.flatMap(({ metadata, status }) => {
    const name = metadata?.name ?? self;
    const address = (status?.addresses ?? []).find(
      (each) => each.type === "InternalIP" && tryParseAddress(each.address)?.family === "ipv4",
    );
    return name === self || address === undefined ? [] : [{ name, address: address.address }];
  });
}

/** Events and metrics about what this node announces. */
function announcementReporter({ node, services, reporter, metrics }: SpeakerOptions) {
  const { announced, requests, responses, gratuitous } = speakerMetrics(metrics);
  let before: ReadonlySet<string> = new Set();
  return {
    announced: (status: Status, candidacies: ReadonlyMap<string, Candidacy>) => {
      const now = new Set<string>();
      announced.reset();
      for (const { facts } of candidacies.values()) {
        for (const ip of facts.addresses) {
          if (status.addresses[ip]?.own?.stance !== "holds") continue;
          announced.set({ service: facts.service, protocol: "layer2", node, ip }, 1);
          now.add(facts.service);
        }
      }
      for (const key of now) {
        const service = before.has(key) ? undefined : services.get(key);
        if (service === undefined) continue;
        const message = `announcing from node "${node}" with protocol "layer2"`;
        reporter.event(SERVICES, service, { type: "Normal", reason: "nodeAssigned", message });
      }
      before = now;
    },
    count: (counts: Extract<FromWorker, { kind: "counts" }>["counts"]) => {
      for (const [ip, count] of counts) {
        if (count.requests > 0) requests.inc({ ip }, count.requests);
        if (count.responses > 0) responses.inc({ ip }, count.responses);
        if (count.gratuitous > 0) gratuitous.inc({ ip }, count.gratuitous);
      }
    },
  };
}

function stateOf(view: ServiceView, nodes: readonly V1Node[], status: Status): SpeakerState {
  const addresses = new Map<string, AddressState>();
  const refused: Record<string, ServiceRefusal> = {};
  for (const [service, facts] of view.facts) {
    if (facts.refused !== undefined) refused[service] = facts.refused;
    for (const address of facts.addresses) {
      const { holder, own } = status.addresses[address] ?? {};
      const standings = nodes.map((each) => [each.metadata?.name ?? "", standingOf(facts, each)] as const);
      addresses.set(address, {
        address,
        services: [...(addresses.get(address)?.services ?? []), service],
        ...(holder === undefined ? {} : { holder }),
        ...(own === undefined ? {} : { stance: own.stance }),
        nodes: facts.refused === undefined ? Object.fromEntries(standings) : {},
      });
    }
  }
  const { listening, members, interfaces } = status;
  return { listening, members, interfaces, addresses: [...addresses.values()], refused };
}

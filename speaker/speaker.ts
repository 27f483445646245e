import { Worker } from "node:worker_threads";
import { type Clock, explainError, type Log, type Metrics, ownModule, startRunner, systemClock } from "../core/mod.ts";
import type { KubeClient, Reporter, Store, V1Node } from "../kube/mod.ts";
import { alarm } from "./alarm.ts";
import { announcementsOf, type Candidacy, candidaciesOf } from "./announce.ts";
import { announceFailures } from "./announce-failure.ts";
import { announcementReporter } from "./announcement-reporter.ts";
import { startConnectionKeeper } from "./connection-keeper.ts";
import { startEcho } from "./echo.ts";
import {
  type Assignment,
  type FromWorker,
  type Leaving,
  NOTHING_KNOWN,
  type Status,
  type ToWorker,
  type WorkerOptions,
} from "./l2/message.ts";
import { type Announced, startL2StatusWriter } from "./l2-status-writer.ts";
import { heededNodes, isCordoned, isOutOfService } from "./node-condition.ts";
import { internalAddresses, peersOf } from "./peer-address.ts";
import { Readiness } from "./readiness.ts";
import { type ServiceStores, ServiceView } from "./service-view.ts";
import { problemOf, type SpeakerState, stateOf } from "./speaker-state.ts";

export interface SpeakerOptions extends ServiceStores {
  /** Name of the Node object of this node. */
  readonly node: string;
  readonly nodes: Store<V1Node>;
  /** True when the kernel of this node has the rules of the Service. Call poke() when an answer may have changed. */
  readonly programmed: (service: string) => boolean;
  readonly reporter: Reporter;
  readonly log: Log;
  readonly metrics: Metrics;
  /** UDP port and shared secret of the heartbeats between speakers; see memberKeys(). */
  readonly members: { readonly port: number; readonly key: Uint8Array };
  /** Patterns of names of interfaces that are never announced on, besides our own; MetalLB's list when absent. */
  readonly excludedInterfaces?: readonly string[];
  /** Where ServiceL2Status objects are written; they are not when absent. */
  readonly statuses?: { readonly client: KubeClient; readonly namespace: string };
  readonly clock?: Clock;
}

export interface Speaker {
  /** Resolves when every address was handed over after the signal; rejects when the announcing thread failed. */
  readonly done: Promise<void>;
  /** True once this node knows the cluster and has heard the other members. */
  ready(): boolean;
  /** Why it is not ready. */
  problem(): string | undefined;
  state(): SpeakerState;
  /** Says that an answer of `programmed` may have changed. */
  poke(): void;
  /** The members' key was replaced. */
  setMemberKey(key: Uint8Array): void;
}

/** Longest wait after the start for the rules of all Services before the node takes part with those that are there. */
const SETTLE = 3000;

/** Announces the external addresses of Services on the local network, together with the speakers of the other nodes. */
export function startSpeaker(options: SpeakerOptions, signal: AbortSignal): Speaker {
  const { node, nodes, services, slices, pools, l2Advertisements, programmed, log, clock = systemClock } = options;
  const stores = [services, slices, nodes, pools, l2Advertisements];
  const startedAt = clock.now();
  const readiness = new Readiness();
  const report = announcementReporter({ ...options, clock });
  let candidacies: ReadonlyMap<string, Candidacy> = new Map();
  let status = NOTHING_KNOWN;
  let sent = "";
  let complained = "";

  const { excludedInterfaces } = options;
  const workerData: WorkerOptions = { node, excludedInterfaces, ...options.members };
  const worker = new Worker(ownModule("speaker/l2/worker"), { workerData });
  const tell = (message: ToWorker) => worker.postMessage(message);
  const exited = new Promise<void>((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
  worker.on("message", (message: FromWorker) => {
    if (message.kind === "log") log[message.level]({ event: message.event, ...message.fields }, message.message);
    if (message.kind === "counts") report.count(message.counts);
    if (message.kind === "happening") report.happened(message.happening, candidacies);
    if (message.kind !== "status") return;
    status = message.status;
    connections.poke();
    tellStatus();
  });

  const tellStatus = () => {
    report.announced(status, candidacies);
    const failures = announceFailures(candidacies, heededNodes(nodes.list()), node, status);
    const wait = report.failed(failures);
    cancelFailure();
    if (wait !== undefined) cancelFailure = clock.after(wait, tellStatus);
    statusWriter?.poke();
    echo.poke();
  };
  let cancelFailure = () => {};
  const announced = () => announcedBy(candidacies, status);
  const echo = startEcho(() => echoedBy(candidacies, status), log, signal);
  const others = () => nodes.list().filter(({ metadata }) => metadata?.name !== node);
  const connections = startConnectionKeeper(
    {
      keepers: () => status.keepers,
      nodes: () => new Map(others().map((each) => [each.metadata?.name ?? "", internalAddresses(each)])),
      clock,
      log,
    },
    signal,
  );
  const writing = { node, ownNode: () => nodes.get(node), announced, log };
  const statusWriter = options.statuses && startL2StatusWriter({ ...options.statuses, ...writing }, signal);

  const poke = () => runner.poke();
  const view = new ServiceView(options, poke, signal);
  const stopNodes = nodes.subscribe(poke);
  for (const store of stores) void store.whenSynced.then(poke);

  const wake = alarm(clock, poke);

  const work = async () => {
    if (signal.aborted || !stores.every(({ synced }) => synced)) return;
    view.refresh();
    report.metrics.updates.inc();
    report.metrics.configLoaded.set(1);
    report.metrics.configStale.note("layer2", view.problems);
    complain(view.problems);
    const heeded = heededNodes(nodes.list());
    const own = heeded.find(({ metadata }) => metadata?.name === node);
    candidacies = candidaciesOf(view.facts, own);
    const again = readiness.update([...candidacies.keys()], programmed, clock.now());
    const settled = clock.now() - startedAt >= SETTLE || [...candidacies.keys()].every((key) => readiness.isReady(key));
    wake.set([again, settled ? undefined : SETTLE]);
    const assignment: Assignment = {
      peers: peersOf(nodes.list(), node),
      announcements: announcementsOf(candidacies.values(), (service) => readiness.isReady(service)),
      settled,
    };
    tellStatus();
    const text = JSON.stringify(assignment);
    if (text === sent) return;
    sent = text;
    tell({ kind: "assign", assignment });
  };
  const complain = (problems: readonly string[]) => {
    const all = problems.join("\n");
    if (all !== complained) {
      for (const problem of problems) log.warn({ event: "speaker.config", problem }, "a mistake in the configuration");
    }
    complained = all;
  };
  const onError = (error: unknown) => {
    report.metrics.updateErrors.inc();
    log.error({ event: "speaker.decide", reason: explainError(error) }, "could not decide what to announce");
  };
  const runner = startRunner(work, { minInterval: 10, retryInterval: 1000, maxInterval: 60_000, onError }, signal);

  const leave = () => {
    stopNodes();
    wake.cancel();
    cancelFailure();
    tell({ kind: "leave", how: leavingOf(nodes.get(node)) });
  };
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });

  return {
    done: exited,
    ready: () => !status.listening,
    problem: () => problemOf(status),
    state: () => stateOf(view.facts, nodes.list(), status),
    poke,
    setMemberKey: (key) => tell({ kind: "key", key }),
  };
}

/**
 * A node that is being emptied, or is gone, gives its addresses away. On any other only this program is being restarted: its
 * kernel goes on forwarding, and moving the addresses would break their connections.
 */
function leavingOf(node: V1Node | undefined): Leaving {
  const emptied = node === undefined || isCordoned(node) || isOutOfService(node);
  return emptied || node.metadata?.deletionTimestamp !== undefined ? "handOver" : "pause";
}

/** The addresses this node announces that answer ICMP echo requests. */
function echoedBy(candidacies: ReadonlyMap<string, Candidacy>, { addresses }: Status): readonly string[] {
  const asked = [...candidacies.values()].filter(({ facts }) => facts.answersEcho === true);
  const all = new Set(asked.flatMap(({ facts }) => facts.addresses));
  return [...all].filter((address) => addresses[address]?.own?.stance === "holds");
}

/** The Services this node announces, and the interfaces they are limited to. */
function announcedBy(candidacies: ReadonlyMap<string, Candidacy>, { addresses }: Status): Announced {
  const announced = new Map<string, readonly string[]>();
  for (const { facts, standing } of candidacies.values()) {
    const held = facts.addresses.flatMap((address) => addresses[address]?.own ?? []);
    const holding = held.filter(({ stance }) => stance === "holds");
    if (holding.length === 0) continue;
    const interfaces = new Set(holding.flatMap((own) => own.interfaces));
    announced.set(facts.service, standing.interfaces === "all" ? [] : [...interfaces].sort());
  }
  return announced;
}

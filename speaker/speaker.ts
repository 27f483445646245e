import { Worker } from "node:worker_threads";
import { type Clock, explainError, type Log, type Metrics, ownModule, startRunner, systemClock } from "../core/mod.ts";
import type { Reporter, Store, V1Node } from "../kube/mod.ts";
import { announcementsOf, type Candidacy, candidaciesOf } from "./announce.ts";
import { announcementReporter } from "./announcement-reporter.ts";
import type { Assignment, FromWorker, Status, ToWorker, WorkerOptions } from "./l2/message.ts";
import { peersOf } from "./peer-address.ts";
import { Readiness } from "./readiness.ts";
import { type ServiceStores, ServiceView } from "./service-view.ts";
import { type SpeakerState, stateOf } from "./speaker-state.ts";

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
  const worker = new Worker(ownModule("speaker/l2/worker"), { workerData });
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

  let cancelWake = () => {};
  const wakeAfter = (ms: number) => {
    cancelWake();
    if (ms !== Number.POSITIVE_INFINITY) cancelWake = clock.after(ms, poke);
  };

  const work = async () => {
    if (signal.aborted || !stores.every(({ synced }) => synced)) return;
    view.refresh();
    candidacies = candidaciesOf(view.facts, nodes.get(node));
    const again = readiness.update([...candidacies.keys()], programmed, clock.now());
    const settled = clock.now() - startedAt >= SETTLE || [...candidacies.keys()].every((key) => readiness.isReady(key));
    wakeAfter(Math.min(again ?? Number.POSITIVE_INFINITY, settled ? Number.POSITIVE_INFINITY : SETTLE));
    const assignment: Assignment = {
      peers: peersOf(nodes.list(), node),
      announcements: announcementsOf(candidacies.values(), (service) => readiness.isReady(service)),
      settled,
    };
    const text = JSON.stringify(assignment);
    if (text === sent) return;
    sent = text;
    tell({ kind: "assign", assignment });
    report.announced(status, candidacies);
  };
  const onError = (error: unknown) =>
    log.error({ event: "speaker.decide", reason: explainError(error) }, "could not decide what to announce");
  const runner = startRunner(work, { minInterval: 10, retryInterval: 1000, maxInterval: 60_000, onError }, signal);

  const leave = () => {
    stopNodes();
    cancelWake();
    tell({ kind: "leave" });
  };
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });

  return {
    done: exited,
    ready: () => !status.listening,
    state: () => stateOf(view.facts, nodes.list(), status),
    poke,
  };
}

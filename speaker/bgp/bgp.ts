import { Worker } from "node:worker_threads";
import type {
  BFDProfile,
  BGPAdvertisement,
  BGPPeer,
  Community,
  ConfigurationState,
  IPAddressPool,
  L2Advertisement,
} from "../../config/mod.ts";
import {
  type Clock,
  explainError,
  type Log,
  type Metrics,
  ownModule,
  startRunner,
  systemClock,
} from "../../core/mod.ts";
import {
  type Change,
  type KubeClient,
  objectKey,
  type Store,
  type V1EndpointSlice,
  type V1Node,
  type V1Secret,
  type V1Service,
} from "../../kube/mod.ts";
import type { Prefix } from "../../net/mod.ts";
import { alarm } from "../alarm.ts";
import { LastGood } from "../last-good.ts";
import { heededNodes } from "../node-condition.ts";
import { Readiness } from "../readiness.ts";
import { announcedTo } from "./announced.ts";
import { type BgpState, bgpStateOf } from "./bgp-state.ts";
import { ConfigView } from "./config-view.ts";
import { startConfigurationStateWriter } from "./configuration-state-writer.ts";
import { ForwardingMemory } from "./forwarding-memory.ts";
import type { Assignment, FromWorker, LearnedRoutes, PeerStatus, ToWorker } from "./message.ts";
import { type NodePeer, nodePeersOf, waitOf } from "./peer-settings.ts";
import { POD_NETWORK, podRoute } from "./pod-route.ts";
import { bgpReporter } from "./reporter.ts";
import { RouteFeed } from "./route-feed.ts";
import { RouteView } from "./route-view.ts";
import { standingOf, startBgpStatusWriter } from "./status-writer.ts";
import { tooLongRoutes } from "./too-long.ts";

/** The objects BGP is configured with. */
export interface BgpStores {
  readonly pools: Store<IPAddressPool>;
  readonly l2Advertisements: Store<L2Advertisement>;
  readonly bgpAdvertisements: Store<BGPAdvertisement>;
  readonly bgpPeers: Store<BGPPeer>;
  readonly bfdProfiles: Store<BFDProfile>;
  readonly communities: Store<Community>;
  /** The namespace of Ironbridge, to which its configuration belongs. Absent: every namespace will do. */
  readonly home?: string | undefined;
}

export interface BgpOptions extends BgpStores {
  /** Name of the Node object of this node. */
  readonly node: string;
  readonly nodes: Store<V1Node>;
  readonly services: Store<V1Service>;
  /** Needs an index "service": namespace/name of the Service a slice belongs to. */
  readonly slices: Store<V1EndpointSlice>;
  /** Secrets of type kubernetes.io/basic-auth with passwords of peers. */
  readonly secrets: Store<V1Secret>;
  /** True when the kernel of this node has the rules of the Service. Call poke() when an answer may have changed. */
  readonly programmed: (service: string) => boolean;
  /** Directory for what is remembered over restarts of the agent. */
  readonly stateDir: string;
  /** TCP port on which peers may connect; absent: this node makes all connections itself. */
  readonly listenPort?: number;
  /** Exchange of pod prefixes with the peers; absent: none are announced, and no route of a peer is taken. */
  readonly podNetwork?: PodNetworkExchange;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Where ServiceBGPStatus objects and conditions of BGPPeers are written; they are not when absent. */
  readonly statuses?: {
    readonly client: KubeClient;
    readonly namespace: string;
    /** The ConfigurationState of this node's speaker is kept there. */
    readonly states: Store<ConfigurationState>;
  };
  readonly clock?: Clock;
}

/** How nodes tell each other of their pods. */
export interface PodNetworkExchange {
  /** Prefixes of all pods of the cluster: no route outside of them is taken. */
  readonly within: readonly Prefix[];
  /** The pod prefixes of a node. */
  readonly prefixesOf: (node: V1Node) => readonly Prefix[];
  /** Called with all ways to other nodes' pods, whenever they changed. */
  readonly install: (learned: LearnedRoutes) => void;
}

export interface Bgp {
  /** Resolves when all sessions have ended after the signal; rejects when the thread failed. */
  readonly done: Promise<void>;
  /** True once this node knows the cluster. */
  ready(): boolean;
  state(): BgpState;
  /** Says that an answer of `programmed` may have changed. */
  poke(): void;
}

/** Longest wait after the start for the rules of all Services before the peers are told that these are all routes. */
const SETTLE = 10_000;
/**
 * Milliseconds between two looks at the rules of all Services while rules change. Those that changed themselves and those
 * that wait are looked at each time, so that a change costs no more than what it changes.
 */
const LOOK_INTERVAL = 1000;
/** Milliseconds after which everything is looked at though nothing changed. */
const LONGEST_PAUSE = 60_000;
const SERVICE_NAME = "kubernetes.io/service-name";

/** Announces the external addresses of Services to BGP routers. */
export function startBgp(options: BgpOptions, signal: AbortSignal): Bgp {
  const {
    node,
    nodes,
    services,
    slices,
    secrets,
    programmed,
    listenPort,
    podNetwork,
    log,
    clock = systemClock,
  } = options;
  const { pools, l2Advertisements, bgpAdvertisements, bgpPeers, bfdProfiles, communities } = options;
  const configStores = [pools, l2Advertisements, bgpAdvertisements, bgpPeers, bfdProfiles, communities];
  const stores = [...configStores, nodes, services, slices, secrets];
  const startedAt = clock.now();
  const readiness = new Readiness();
  const report = bgpReporter(options);
  const slicesOf = (key: string) => slices.byIndex("service", key);
  const view = new RouteView({ service: (key) => services.get(key), slicesOf });
  const dirty = new Set<string>();
  const lastGood = new LastGood();
  const forwarding = new ForwardingMemory(options.stateDir);
  let config: ConfigView | undefined;
  let nodeText = "";
  let peers: readonly NodePeer[] = [];
  let statuses: readonly PeerStatus[] = [];
  let sent = "";
  /** All routes after the start have been handed over. */
  let toldAll = false;
  /** The kernel has other rules than at the last look at all Services, which was then. */
  let rulesChanged = false;
  let lookedAt = Number.NEGATIVE_INFINITY;

  const worker = new Worker(ownModule("speaker/bgp/worker"));
  const tell = (message: ToWorker) => worker.postMessage(message);
  const feed = new RouteFeed({ send: (change) => tell({ kind: "routes", ...change }), onEmpty: () => poke() });
  const exited = new Promise<void>((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
  worker.on("message", (message: FromWorker) => {
    if (message.kind === "taken") feed.taken();
    if (message.kind === "learned") podNetwork?.install(message.learned);
    if (message.kind === "log") log[message.level]({ event: message.event, ...message.fields }, message.message);
    if (message.kind !== "status") return;
    const before = standingOf(statuses);
    statuses = message.peers;
    report.sessions(statuses, peers);
    report.untold(statuses.flatMap((status) => tooLongRoutes(status, view)));
    if (standingOf(statuses) !== before) statusWriter?.poke();
  });

  const sessions = () => {
    if (sent === "") return undefined;
    return peers.map((peer) => {
      const status = statuses.find(({ name }) => name === peer.name);
      return { peer, status, untold: status === undefined ? [] : tooLongRoutes(status, view) };
    });
  };
  const isReady = (service: string) => readiness.isReady(service);
  const announced = () => announcedTo(view, isReady, peers);
  const problems = () => config && [...config.problems, ...peers.flatMap(waitOf), ...report.contradictions()];
  const writing = { node, ownNode: () => nodes.get(node), bgpPeers, announced, sessions, problems, clock, log };
  const statusWriter = options.statuses && startBgpStatusWriter({ ...writing, ...options.statuses }, signal);
  const stateWriter = options.statuses && startConfigurationStateWriter({ ...writing, ...options.statuses }, signal);

  const poke = () => runner.poke();
  const touch = (key: string | undefined) => {
    if (key !== undefined) dirty.add(key);
    poke();
  };
  const forgetConfig = () => {
    config = undefined;
    poke();
  };
  const stops = [
    services.subscribe(({ key }) => touch(key)),
    slices.subscribe((change) => touch(serviceOf(change))),
    nodes.subscribe(poke),
    secrets.subscribe(poke),
    ...configStores.map((store) => store.subscribe(forgetConfig)),
  ];
  for (const store of stores) void store.whenSynced.then(poke);

  const wake = alarm(clock, poke);

  const work = async () => {
    if (signal.aborted || !stores.every(({ synced }) => synced)) return;
    const own = heededNodes(nodes.list()).find(({ metadata }) => metadata?.name === node);
    const text = JSON.stringify([own?.metadata?.labels, own?.spec, own?.status?.conditions, own?.status?.addresses]);
    if (config === undefined || text !== nodeText) {
      config = new ConfigView(options, own?.metadata?.labels ?? {}, lastGood);
      nodeText = text;
      for (const service of services.list()) dirty.add(objectKey(service));
      report.problems(config.problems);
    }
    const touched = [...dirty];
    dirty.clear();
    view.refresh(touched, config.config, own);
    const changed = new Set([...touched, ...lookAtRules(touched)]);
    const now = clock.now();
    const settled = now - startedAt >= SETTLE || readiness.complete;
    const change = view.settle(changed, isReady);
    wake.set([readiness.pause(now), settled ? undefined : SETTLE, rulesChanged ? LOOK_INTERVAL : undefined]);
    const pods = own === undefined ? [] : (podNetwork?.prefixesOf(own) ?? []);
    feed.put(change);
    feed.put(view.put(POD_NETWORK, pods.map(podRoute)));
    toldAll ||= settled && feed.isEmpty;
    assign(own, config, toldAll, pods);
    report.services(changed, view, isReady);
    report.stale(problems() ?? []);
    stateWriter?.poke();
    if (changed.size > 0) statusWriter?.poke();
    if (toldAll) forwarding.note();
  };

  /** The Services that this node is ready for now and was not, or the other way round. */
  const lookAtRules = (touched: readonly string[]): string[] => {
    const now = clock.now();
    const all = now - lookedAt >= (rulesChanged ? LOOK_INTERVAL : LONGEST_PAUSE);
    if (all) [lookedAt, rulesChanged] = [now, false];
    const keys = all ? [...view.services.keys(), ...touched] : [...touched, ...readiness.missing];
    for (const key of keys) if (!view.offers(key)) readiness.forget(key);
    return keys.filter((key) => view.offers(key) && readiness.look(key, programmed, now));
  };

  const assign = (
    own: V1Node | undefined,
    { config, object }: ConfigView,
    settled: boolean,
    pods: readonly Prefix[],
  ) => {
    const secret = (name: string, namespace: string) => secrets.get(`${namespace}/${name}`);
    peers =
      own === undefined
        ? []
        : nodePeersOf(config.bgpPeers, {
            node: own,
            bfdProfiles: config.bfdProfiles,
            secret,
            object,
            listening: listenPort !== undefined,
            forwardingPreserved: forwarding.preserved,
          });
    const assignment: Assignment = {
      peers: peers.flatMap((peer) => ("settings" in peer ? [peer.settings] : [])),
      ...(listenPort === undefined ? {} : { listenPort }),
      settled,
      ...(podNetwork && { learn: { within: podNetwork.within, own: pods } }),
    };
    const text = JSON.stringify(assignment, (_, value) => (typeof value === "bigint" ? String(value) : value));
    if (text !== sent) tell({ kind: "assign", assignment });
    sent = text;
    report.sessions(statuses, peers);
  };

  const onError = (error: unknown) =>
    log.error({ event: "bgp.decide", reason: explainError(error) }, "could not decide what to announce by BGP");
  const pace = { minInterval: 5, retryInterval: 1000, maxInterval: LONGEST_PAUSE };
  const runner = startRunner(work, { ...pace, onError }, signal);

  const leave = () => {
    for (const stop of stops) stop();
    wake.cancel();
    tell({ kind: "leave" });
  };
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });

  return {
    done: exited,
    ready: () => sent !== "",
    state: () => bgpStateOf(view, peers, statuses),
    poke: () => {
      rulesChanged = true;
      poke();
    },
  };
}

function serviceOf({ before, after }: Change<V1EndpointSlice>): string | undefined {
  const { namespace, labels } = (after ?? before)?.metadata ?? {};
  const name = labels?.[SERVICE_NAME];
  return name === undefined ? undefined : `${namespace}/${name}`;
}

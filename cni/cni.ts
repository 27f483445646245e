import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { RoutingMode } from "../config/mod.ts";
import { Counter, explainError, Gauge, Histogram, type Log, type Metrics } from "../core/mod.ts";
import type { KubeClient, Store, V1Namespace, V1Node } from "../kube/mod.ts";
import { linkExists, openConntrack, openNft, openRtnetlink, type Rtnetlink, watchLinkRemovals } from "../linux/mod.ts";
import { OWN_LINK_SHAPES, type Prefix } from "../net/mod.ts";
import { adoptPods, RESULT_DIRECTORY } from "./adopt.ts";
import { removeBrokenResults } from "./broken-results.ts";
import { pluginInstaller } from "./conflist.ts";
import { detach } from "./detach.ts";
import { createHandler, type HandlerOptions } from "./handler.ts";
import { hostPorts } from "./host-ports.ts";
import { Ipam } from "./ipam.ts";
import { type LeakFacts, leakFinder } from "./leak.ts";
import type { PodRoutes } from "./learned-routes.ts";
import { printLease } from "./lease-state.ts";
import { linkRemover } from "./link-remover.ts";
import { clearUnavailable } from "./node-condition.ts";
import { startNodeNetwork } from "./node-network.ts";
import { onDemand } from "./on-demand.ts";
import { openLeaseStore, readBootId, STORE_NAME } from "./open-lease-store.ts";
import { openPodNetns, removeHostLink, setPodMtu } from "./pod-host.ts";
import { followClaims } from "./pod-namespaces.ts";
import { rangeClaims } from "./pod-ranges.ts";
import { queueBeside, runQueuedDeletions } from "./queued-deletions.ts";
import { rememberedKeys } from "./result-cache.ts";
import { listenForPlugins } from "./server.ts";
import { HOST_LOCAL_DIRECTORY, takeOver } from "./take-over.ts";

export interface CniOptions {
  /** Name of this node. */
  readonly node: string;
  readonly nodes: Store<V1Node>;
  readonly namespaces: Store<V1Namespace>;
  readonly client: Pick<KubeClient, "patch">;
  /** Unix socket for the plugin; its directory becomes root's alone. At most 107 characters. */
  readonly socketPath: string;
  /** Where the store of addresses is kept; must survive restarts of the agent. */
  readonly stateDir: string;
  /** Where the container runtime looks for plugins (/opt/cni/bin) and their configuration (/etc/cni/net.d). */
  readonly binDir: string;
  readonly confDir: string;
  /** Where the container runtime keeps what plugins answered; its usual place when absent. */
  readonly resultDir?: string;
  /** Where the plugin host-local keeps its addresses; its usual place when absent. */
  readonly hostLocalDir?: string;
  /** The built plugin. */
  readonly shimPath: string;
  /** Prefixes of the cluster, reached by pods with their own address. */
  readonly clusterCidrs: readonly Prefix[];
  /** Prefixes outside of it that pods reach with their own address. */
  readonly nonMasqueradeCidrs: readonly Prefix[];
  /** How other nodes' pods are reached. */
  readonly routing: RoutingMode;
  /** The ways to other nodes where routing is `bgp`. */
  readonly podRoutes?: PodRoutes;
  /** UDP port of tunnels. */
  readonly tunnelPort: number;
  /** Whether established connections between pods take the short way, past bridge and rules. */
  readonly fastPath: boolean;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The pod network of one node. */
export interface Cni {
  /** Resolves after `signal` aborted; rejects when the part can't start. */
  readonly done: Promise<void>;
  /** True while pods can be attached and everything they need is in place. */
  ready(): boolean;
  /** For /debug/state. */
  state(): unknown;
}

/**
 * Serves container runtimes on this node and keeps its pod network, in the network namespace of this process. What is in
 * the kernel stays when it ends: pods work on without it.
 */
export function startCni(options: CniOptions, signal: AbortSignal): Cni {
  const { log, namespaces } = options;
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  const { store, isNew } = openLeaseStore(join(options.stateDir, STORE_NAME), readBootId(), log);
  const ipam = new Ipam(store, () => rangeClaims(namespaces.list()));
  const unfollow = followClaims(namespaces, () => ipam.claimsChanged());
  const kernel = openRtnetlink();
  if (isNew) adoptPods(kernel, store, options.resultDir ?? RESULT_DIRECTORY, log);
  for (const { key, complete } of ipam.list()) {
    if (complete) continue;
    removeHostLink(kernel, key);
    ipam.release(key);
    log.info({ event: "cni.undone", ...key }, "took back an ADD that an earlier run did not finish");
  }

  const watchRemovals = (onRemoved: (name: string) => void) => watchLinkRemovals(OWN_LINK_SHAPES, onRemoved);
  const remover = linkRemover(kernel, { exists: linkExists, watchRemovals });
  const removeLink = remover.remove;
  const nft = onDemand(openNft);
  const conntrack = openConntrack();
  const addresses = () => kernel.addresses().map(({ address }) => address);
  const ports = hostPorts({ nft: nft.get, conntrack, addresses }, ipam.list());

  const installPlugin = pluginInstaller(options);
  let listening = false;
  let installed = false;
  let notChosen: string | undefined;
  const attachable = Promise.withResolvers<void>();
  const tellCluster = async () => {
    const node = options.nodes.get(options.node);
    try {
      if (node !== undefined) await clearUnavailable(options.client, node, new Date());
    } catch (error) {
      const reason = explainError(error); // the next look tries again
      log.warn({ event: "cni.condition_refused", reason }, "the node's condition NetworkUnavailable was not cleared");
    }
  };
  const install = () => {
    attachable.resolve();
    if (!listening) return;
    const problem = installPlugin();
    if (problem === undefined) void tellCluster();
    else if (problem !== notChosen) log.warn({ event: "cni.not_chosen", problem }, "runtimes use another network");
    notChosen = problem;
    if (!installed) log.info({ event: "cni.installed", confDir: options.confDir }, "container runtimes can add pods");
    installed = true;
  };
  const onMtu = (seen: Rtnetlink, mtu: number) => {
    for (const lease of ipam.list().filter(({ chained }) => chained === undefined)) {
      const problem = setPodMtu({ kernel: seen, openPod: openPodNetns }, lease, mtu);
      if (problem !== undefined) log.warn({ event: "cni.mtu_kept", ...lease.key, problem }, "a pod keeps its old MTU");
    }
  };
  const { resultDir = RESULT_DIRECTORY, hostLocalDir = HOST_LOCAL_DIRECTORY } = options;
  const takeOverPods = (seen: Rtnetlink, prefixes: readonly Prefix[]) =>
    takeOver({ kernel: seen, ipam, prefixes, resultDir, hostLocalDir, log });
  const findLeaks = leakFinder();
  const freeLeaks = async (found: Pick<LeakFacts, "leases" | "links">) => {
    const remembered = () => rememberedKeys(resultDir);
    for (const lease of findLeaks({ ...found, remembered, now: performance.now() })) {
      await detach({ kernel, ipam, removeLink, hostPorts: ports }, lease.key);
      log.warn({ event: "cni.leak_freed", ...lease.key, pod: lease.pod }, "freed addresses of a pod that is gone");
    }
  };
  const network = startNodeNetwork(
    {
      ...options,
      kernel,
      nft: nft.get,
      ipam,
      hostPorts: ports,
      onReady: install,
      onMtu,
      freeLeaks,
      takeOver: takeOverPods,
    },
    signal,
  );
  const pods = { kernel, ipam, removeLink, hostPorts: ports, openPod: openPodNetns };
  const { bridge, problems, preparePort } = network;
  const node = { ...pods, namespaces, whenReady: attachable.promise, bridge, problems, preparePort };
  const answer = createHandler({ node, log, observe: registerMetrics(options.metrics, ipam) });

  const broken = removeBrokenResults(resultDir, log, signal);
  const serve = async () => {
    const queue = queueBeside(options.socketPath);
    const prepare = () => runQueuedDeletions(queue, (key) => detach(pods, key), log);
    await listenForPlugins(options.socketPath, { prepare, answer }, log, signal);
    listening = true;
    network.poke();
    await Promise.all([network.done, broken]);
    unfollow();
    await nft.close();
    conntrack.close();
    remover.close();
    kernel.close();
    store.close();
  };
  const ready = () => installed && network.problems().length === 0;
  return {
    done: serve(),
    ready,
    state: () => ({
      ready: ready(),
      problems: [notChosen ?? [], network.problems(), network.warnings()].flat(),
      prefixes: ipam.usage(),
      leases: ipam.list().map(printLease),
      fastPath: network.fastPath(),
      checksumOffload: network.checksumOffload(),
    }),
  };
}

function registerMetrics(metrics: Metrics, ipam: Ipam): HandlerOptions["observe"] {
  const registers = [metrics];
  const requests = new Counter({
    name: "ironbridge_cni_requests_total",
    help: "Calls of the CNI plugin, by command and CNI error code (0 for success)",
    labelNames: ["command", "code"],
    registers,
  });
  const seconds = new Histogram({
    name: "ironbridge_cni_request_seconds",
    help: "Time from a call of the CNI plugin to its answer",
    labelNames: ["command"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5, 20],
    registers,
  });
  new Gauge({
    name: "ironbridge_cni_addresses_in_use",
    help: "Pod addresses in use, per pod prefix of the node",
    labelNames: ["prefix"],
    registers,
    collect() {
      for (const { prefix, used } of ipam.usage()) this.set({ prefix }, used);
    },
  });
  return (call) => {
    requests.inc({ command: call.command, code: String(call.code) });
    seconds.observe({ command: call.command }, call.seconds);
  };
}

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Log, Metrics } from "../core/mod.ts";
import type { Store, V1Namespace } from "../kube/mod.ts";
import { linkExists, openConntrack, openNft, openRtnetlink, type Rtnetlink, watchLinkRemovals } from "../linux/mod.ts";
import { OWN_LINK_SHAPES, type Prefix } from "../net/mod.ts";
import { adoptPods, RESULT_DIRECTORY } from "./adopt.ts";
import { removeBrokenResults } from "./broken-results.ts";
import { detach } from "./detach.ts";
import { createHandler } from "./handler.ts";
import { hostPorts } from "./host-ports.ts";
import { type InstallationOptions, keepInstalled } from "./installation.ts";
import { Ipam } from "./ipam.ts";
import { type LeakFacts, leakFinder } from "./leak.ts";
import { printLease } from "./lease-state.ts";
import { linkRemover } from "./link-remover.ts";
import { registerMetrics } from "./metrics.ts";
import { type NetworkChoices, startNodeNetwork } from "./node-network.ts";
import { onDemand } from "./on-demand.ts";
import { openLeaseStore, readBootId, STORE_NAME } from "./open-lease-store.ts";
import { openPodNetns, removeHostLink, setPodMtu } from "./pod-host.ts";
import { followClaims } from "./pod-namespaces.ts";
import { rangeClaims } from "./pod-ranges.ts";
import { queueBeside, runQueuedDeletions } from "./queued-deletions.ts";
import { rememberedKeys } from "./result-cache.ts";
import { listenForPlugins } from "./server.ts";
import { HOST_LOCAL_DIRECTORY, takeOver } from "./take-over.ts";

export interface CniOptions extends InstallationOptions, NetworkChoices {
  readonly namespaces: Store<V1Namespace>;
  /** Where the store of addresses is kept; must survive restarts of the agent. */
  readonly stateDir: string;
  /** Where the container runtime keeps what plugins answered; its usual place when absent. */
  readonly resultDir?: string;
  /** Where the plugin host-local keeps its addresses; its usual place when absent. */
  readonly hostLocalDir?: string;
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
  undoUnfinished(kernel, ipam, log);

  const watchRemovals = (onRemoved: (name: string) => void) => watchLinkRemovals(OWN_LINK_SHAPES, onRemoved);
  const remover = linkRemover(kernel, { exists: linkExists, watchRemovals });
  const removeLink = remover.remove;
  const nft = onDemand(openNft);
  const conntrack = openConntrack();
  const addresses = () => kernel.addresses().map(({ address }) => address);
  const ports = hostPorts({ nft: nft.get, conntrack, addresses }, ipam.list());

  const installation = keepInstalled(options);
  let listening = false;
  const attachable = Promise.withResolvers<void>();
  const onReady = () => {
    attachable.resolve();
    if (listening) installation.keep();
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
      onReady,
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
  const ready = () => installation.isThere() && network.problems().length === 0;
  return {
    done: serve(),
    ready,
    state: () => ({
      ready: ready(),
      problems: [installation.problem() ?? [], network.problems(), network.warnings()].flat(),
      prefixes: ipam.usage(),
      leases: ipam.list().map(printLease),
      fastPath: network.fastPath(),
      checksumOffload: network.checksumOffload(),
    }),
  };
}

/** An earlier run may have ended in the middle of an ADD, whose plugin told its runtime of a failure then. */
function undoUnfinished(kernel: Rtnetlink, ipam: Ipam, log: Log): void {
  for (const { key, complete } of ipam.list()) {
    if (complete) continue;
    removeHostLink(kernel, key);
    ipam.release(key);
    log.info({ event: "cni.undone", ...key }, "took back an ADD that an earlier run did not finish");
  }
}

import { explainError, type Log, type Metrics, startRunner } from "../core/mod.ts";
import type { Store, V1Node } from "../kube/mod.ts";
import { type Nft, type Rtnetlink, watchNft, watchRtnetlink, writeSysctl } from "../linux/mod.ts";
import { BRIDGE_NAME, type Prefix, printPrefix } from "../net/mod.ts";
import { applyBridge, type Bridge } from "./bridge.ts";
import { renameEarlierLinks } from "./earlier-names.ts";
import { keepFastPath } from "./fast-path-keeper.ts";
import { forwardProblems } from "./forward-policy.ts";
import type { HostPorts } from "./host-ports.ts";
import type { Ipam } from "./ipam.ts";
import { kernelView } from "./kernel-view.ts";
import type { LeakFacts } from "./leak.ts";
import { learnedRoutes, type PodRoutes } from "./learned-routes.ts";
import { type MasqueradePlan, masqueradeReconciler } from "./masquerade.ts";
import { startOffloadKeeper } from "./offload-keeper.ts";
import { type PodNetwork, podNetworkOf } from "./pod-network.ts";
import { applyRoutes, desiredRoutes, otherPrefixes } from "./routes.ts";
import { applyRouting, podMtu, type RoutingOptions } from "./routing.ts";
import { loadBridgeNetfilter, sysctlKeeper } from "./sysctl-plan.ts";
import { applyTunnelNodes, tunnelEnd } from "./tunnel.ts";
import { findUplink } from "./uplink.ts";

/** What there is to choose of the node's network. */
export interface NetworkChoices extends RoutingOptions {
  /** Prefixes of the cluster, reached by pods with their own address. */
  readonly clusterCidrs: readonly Prefix[];
  /** Prefixes outside of it that pods reach with their own address. */
  readonly nonMasqueradeCidrs: readonly Prefix[];
  /** The ways to other nodes where routing is `bgp`. */
  readonly podRoutes?: PodRoutes;
  /** Whether established connections between pods take the short way, past bridge and rules. */
  readonly fastPath: boolean;
}

export interface NodeNetworkOptions extends NetworkChoices {
  readonly nodes: Store<V1Node>;
  readonly kernel: Rtnetlink;
  readonly nft: () => Promise<Nft>;
  readonly hostPorts: Pick<HostPorts, "repair">;
  readonly ipam: Ipam;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Called each time everything that pods need is found or put in place. */
  readonly onReady: () => void;
  /** Called before the MTU of the pods changes, with the new one (octets). */
  readonly onMtu: (kernel: Rtnetlink, mtu: number) => void;
  /** Called before the bridge is made. */
  readonly takeOver: (kernel: Rtnetlink, prefixes: readonly Prefix[]) => void;
  /** Frees what pods left behind whose DEL never came. */
  readonly freeLeaks: (found: Pick<LeakFacts, "leases" | "links">) => Promise<void>;
}

/** What all pods of the node share: kernel settings, bridge, routes to other nodes, masquerade. */
export interface NodeNetwork {
  /** Undefined as long as the node has no pod prefix, or its bridge could not be made. */
  bridge(): Bridge | undefined;
  /** Why pods can't be attached, in sentences; empty when they can. */
  problems(): readonly string[];
  /** What is amiss though pods can be attached, in sentences: nodes that can't be reached, what others changed. */
  warnings(): readonly string[];
  /** Makes a new pod's link, which is not up yet, ready for the short way. */
  preparePort(ifindex: number): void;
  /** Whether connections between pods take the short way; in words when they can't. */
  fastPath(): string;
  /** Whether the checksums of packets in the tunnel are left to the network card, in words. */
  checksumOffload(): string;
  /** Looks at the links, and tells again whether all is ready. */
  poke(): void;
  readonly done: Promise<void>;
}

type Area = "bridge" | "rules" | "routes" | "settings" | "forwarding" | "fast path";
const NOT_YET = "the pod network of the node is being made";

/** Milliseconds. Kernel reports heal drift at once; the slow run is for what nobody reports. */
const PACE = { minInterval: 100, retryInterval: 1000, maxInterval: 30_000 };
/** Lets 127.0.0.1 reach host ports. Pods could use it too, but for the guard in the rules, which come first. */
const LOCAL_HOST_PORTS = `net/ipv4/conf/${BRIDGE_NAME}/route_localnet`;

/** Makes and keeps the node's network until `signal` aborts. It stays in the kernel then: pods outlive the agent. */
export function startNodeNetwork(options: NodeNetworkOptions, signal: AbortSignal): NodeNetwork {
  const { nodes, node, log } = options;
  let bridge: Bridge | undefined;
  let guarded = false;
  let prefixes = "";
  const problems: Record<Area, readonly string[]> = {
    bridge: [NOT_YET],
    rules: [NOT_YET],
    routes: [],
    settings: [],
    forwarding: [],
    "fast path": [],
  };
  const blockers = () => [...new Set([...problems.bridge, ...problems.rules])];

  const report = (area: Area, found: readonly string[]) => {
    if (found.length > 0 && found.join() !== problems[area].join()) {
      log.warn({ event: "cni.network_incomplete", area, problems: found }, "the pod network is not complete");
    }
    problems[area] = found;
    if (blockers().length === 0) options.onReady();
  };
  const ownNetwork = (): PodNetwork | undefined => (nodes.synced ? podNetworkOf(nodes.get(node)) : undefined);

  const fastPath = keepFastPath(options.fastPath, options.kernel, log);
  const offload = startOffloadKeeper(log, options.metrics, signal);
  const keepSysctls = sysctlKeeper();
  const keepLinks = async () => {
    const network = ownNetwork();
    if (network === undefined) return report("bridge", [missingPrefix(node)]);
    const wanted = network.prefixes.map(printPrefix).join();
    if (wanted !== prefixes) options.ipam.setNetwork(network);
    prefixes = wanted;
    await loadBridgeNetfilter();
    const kernel = kernelView(options.kernel);
    renameEarlierLinks(kernel);
    options.takeOver(kernel, network.prefixes);
    const leases = options.ipam.list();
    const uplink = findUplink(kernel, network.addresses);
    const mtu = podMtu(options.routing, uplink);
    if (mtu !== bridge?.mtu) options.onMtu(kernel, mtu);
    bridge = applyBridge(kernel, { prefixes: network.prefixes, mtu, leases });
    report("settings", keepSysctls(network.prefixes));
    if (guarded) writeSysctl(LOCAL_HOST_PORTS, "1");
    const routing = applyRouting(kernel, options, network, uplink);
    const desired =
      options.podRoutes === undefined
        ? desiredRoutes(nodes.list(), node, routing)
        : learnedRoutes(options.podRoutes.current(), kernel);
    const { tunnel } = routing;
    report("routes", [
      ...desired.problems,
      ...(tunnel === undefined ? [] : applyTunnelNodes(kernel, tunnel.ifindex, desired.tunnelNodes)),
      ...applyRoutes(kernel, desired.routes),
    ]);
    const ends = network.prefixes.map(tunnelEnd);
    offload.follow(tunnel && { ifindex: tunnel.ifindex, ends, nodes: desired.tunnelNodes });
    report("bridge", []);
    const links = kernel.links();
    await options.freeLeaks({ leases, links });
    const facts = { leases, links, routes: desired.routes.values(), uplink, tunnel: tunnel?.ifindex };
    report("fast path", fastPath.apply(facts));
  };

  let applyMasquerade: ReturnType<typeof masqueradeReconciler> | undefined;
  const keepRules = async () => {
    const own = ownNetwork();
    if (own === undefined) return report("rules", [missingPrefix(node)]);
    applyMasquerade ??= masqueradeReconciler(await options.nft());
    await applyMasquerade(masqueradePlan(options, own));
    await options.hostPorts.repair();
    guarded = true;
    if (bridge !== undefined) writeSysctl(LOCAL_HOST_PORTS, "1");
    report("rules", []);
    report("forwarding", await forwardProblems(await options.nft(), own.prefixes));
  };

  const failed = (area: Area) => (error: unknown) => report(area, [explainError(error)]);
  const links = startRunner(keepLinks, { ...PACE, onError: failed("bridge") }, signal);
  const rules = startRunner(keepRules, { ...PACE, onError: failed("rules") }, signal);
  const pokeBoth = () => {
    links.poke();
    rules.poke();
  };
  nodes.whenSynced.then(pokeBoth);
  const watches = [
    watchRtnetlink(["link", "address", "route"], links.poke, { rest: PACE.minInterval }),
    watchNft(rules.poke),
  ];
  const unsubscribes = [nodes.subscribe(pokeBoth), options.podRoutes?.subscribe(links.poke)];

  const done = Promise.all([links.done, rules.done, offload.done]).then(() => {
    for (const unsubscribe of unsubscribes) unsubscribe?.();
    for (const watch of watches) watch.close();
    fastPath.close();
  });
  return {
    bridge: () => bridge,
    problems: blockers,
    warnings: () => [...problems.routes, ...problems.settings, ...problems.forwarding],
    preparePort: fastPath.prepare,
    fastPath: fastPath.state,
    checksumOffload: offload.state,
    poke: links.poke,
    done,
  };
}

function missingPrefix(node: string): string {
  return `node ${node} has no pod prefix yet (spec.podCIDRs)`;
}

/** Pods reach every pod prefix of the cluster with their own address, also those outside the configured prefixes. */
function masqueradePlan(options: NodeNetworkOptions, own: PodNetwork): MasqueradePlan {
  const { clusterCidrs, nonMasqueradeCidrs, nodes, node } = options;
  const others = otherPrefixes(nodes.list(), node).prefixes.map(({ prefix }) => prefix);
  return { pods: own.prefixes, native: [...clusterCidrs, ...nonMasqueradeCidrs, ...others] };
}

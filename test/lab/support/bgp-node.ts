/**
 * The BGP speaker alone, in the network namespace it is started in. Argument: BgpNodeOptions as JSON. Takes BgpOrder
 * messages and answers each with BgpAnswer.
 */
import { readFileSync } from "node:fs";
import { learnedRoutes } from "../../../cni/learned-routes.ts";
import { podPrefixes } from "../../../cni/mod.ts";
import { applyRoutes } from "../../../cni/routes.ts";
import type { BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool } from "../../../config/mod.ts";
import { createLog, createMetrics } from "../../../core/mod.ts";
import { fakeStore, type V1EndpointSlice, type V1Node, type V1Secret, type V1Service } from "../../../kube/mod.ts";
import { openRtnetlink, type Rtnetlink } from "../../../linux/mod.ts";
import { parsePrefix } from "../../../net/mod.ts";
import { type BgpState, type LearnedRoutes, type PodNetworkExchange, startBgp } from "../../../speaker/mod.ts";

export interface BgpObjects {
  readonly nodes: readonly V1Node[];
  readonly services: readonly V1Service[];
  readonly slices: readonly V1EndpointSlice[];
  readonly pools: readonly IPAddressPool[];
  readonly bgpAdvertisements: readonly BGPAdvertisement[];
  readonly bgpPeers: readonly BGPPeer[];
  readonly bfdProfiles: readonly BFDProfile[];
  readonly communities: readonly Community[];
  readonly secrets: readonly V1Secret[];
}

export interface BgpNodeOptions extends BgpObjects {
  readonly node: string;
  /** What the node's speaker remembers over its restarts. */
  readonly stateDir: string;
  readonly listenPort?: number;
  /** Prefixes of all pods, whose routes are exchanged with the peers; absent: they are not. */
  readonly clusterCidrs?: readonly string[];
}

export type BgpOrder =
  | { readonly kind: "tell" }
  /** Keeps the main thread busy. */
  | { readonly kind: "block"; readonly milliseconds: number }
  /** Which Services the kernel does not have the rules of. */
  | { readonly kind: "unprogram"; readonly services: readonly string[] }
  /** Objects that are new or other than before. Quietly: without an answer, which costs time where there is much to tell. */
  | { readonly kind: "set" | "setQuietly"; readonly objects: Partial<BgpObjects> }
  | { readonly kind: "delete"; readonly from: keyof BgpObjects; readonly keys: readonly string[] };

export interface BgpAnswer {
  readonly ready: boolean;
  readonly state: BgpState;
  readonly metrics: string;
  /** Octets. */
  readonly memory: number;
}

const options: BgpNodeOptions = JSON.parse(readFileSync(process.argv[2]!, "utf8"));
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());

const metrics = createMetrics();
const stores = {
  nodes: fakeStore<V1Node>(options.nodes),
  services: fakeStore<V1Service>(options.services),
  slices: fakeStore<V1EndpointSlice>(options.slices, {
    service: ({ metadata }) => [`${metadata?.namespace}/${metadata?.labels?.["kubernetes.io/service-name"]}`],
  }),
  pools: fakeStore<IPAddressPool>(options.pools),
  bgpAdvertisements: fakeStore<BGPAdvertisement>(options.bgpAdvertisements),
  bgpPeers: fakeStore<BGPPeer>(options.bgpPeers),
  bfdProfiles: fakeStore<BFDProfile>(options.bfdProfiles),
  communities: fakeStore<Community>(options.communities),
  secrets: fakeStore<V1Secret>(options.secrets),
};
let unprogrammed = new Set<string>();

function exchangePods(kernel: Rtnetlink, clusterCidrs: readonly string[]): { readonly podNetwork: PodNetworkExchange } {
  const install = (learned: LearnedRoutes) => void applyRoutes(kernel, learnedRoutes(learned, kernel).routes);
  return { podNetwork: { within: clusterCidrs.map(parsePrefix), prefixesOf: podPrefixes, install } };
}

const kernel = options.clusterCidrs && openRtnetlink();
const bgp = startBgp(
  {
    ...stores,
    l2Advertisements: fakeStore([]),
    node: options.node,
    stateDir: options.stateDir,
    programmed: (service) => !unprogrammed.has(service),
    ...(options.listenPort === undefined ? {} : { listenPort: options.listenPort }),
    ...(kernel && exchangePods(kernel, options.clusterCidrs ?? [])),
    log: createLog("bgp-node", "debug"),
    metrics,
  },
  stop.signal,
);

process.on("message", async (order: BgpOrder) => {
  if (order.kind === "block") {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.milliseconds);
  }
  if (order.kind === "unprogram") {
    unprogrammed = new Set(order.services);
    bgp.poke();
  }
  if (order.kind === "set" || order.kind === "setQuietly") {
    for (const [name, objects] of Object.entries(order.objects)) {
      const store = stores[name as keyof BgpObjects] as { set(object: object): void };
      for (const object of objects) store.set(object);
    }
  }
  if (order.kind === "delete") for (const key of order.keys) stores[order.from].remove(key);
  if (order.kind === "setQuietly") return;
  const answer: BgpAnswer = {
    ready: bgp.ready(),
    state: bgp.state(),
    metrics: await metrics.metrics(),
    memory: process.memoryUsage.rss(),
  };
  process.send?.(answer);
});

await bgp.done;
kernel?.close();
process.disconnect();

/**
 * The CNI part alone, in the network namespace it is started in. Argument: CniNodeOptions as JSON. Each line on standard
 * input is a ClusterNews or a StateQuestion.
 */
import { createInterface } from "node:readline";
import { type PodRoutes, startCni } from "../../../cni/mod.ts";
import type { RoutingMode } from "../../../config/mod.ts";
import { createLog, createMetrics, type LogLevel } from "../../../core/mod.ts";
import {
  type FakeStore,
  fakeKubeClient,
  fakeStore,
  type KubeObject,
  objectKey,
  type V1Namespace,
  type V1Node,
} from "../../../kube/mod.ts";
import { parseAddress, parsePrefix } from "../../../net/mod.ts";

/** All objects of a kind, in place of those before; of the kinds that are not here nothing has changed. */
export interface ClusterNews {
  readonly nodes?: readonly V1Node[];
  readonly namespaces?: readonly V1Namespace[];
}

/** Answered with a line in the log: this event and the part's state. */
export interface StateQuestion {
  readonly answerEvent: string;
}

export interface CniNodeOptions extends Required<ClusterNews> {
  readonly node: string;
  readonly clusterCidrs: readonly string[];
  readonly nonMasqueradeCidrs: readonly string[];
  readonly routing: RoutingMode;
  readonly tunnelPort: number;
  readonly fastPath: boolean;
  readonly socketPath: string;
  readonly stateDir: string;
  readonly binDir: string;
  readonly confDir: string;
  readonly shimPath: string;
  readonly resultDir: string;
  readonly hostLocalDir: string;
  /** The ways to other nodes' pods that routers told of, where routing is "bgp". */
  readonly learned?: readonly { readonly prefix: string; readonly nextHop: string; readonly device: string }[];
  /** "debug" when absent. */
  readonly logLevel?: LogLevel;
}

const options: CniNodeOptions = JSON.parse(process.argv[2]!);
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());

const nodes = fakeStore<V1Node>(options.nodes);
const namespaces = fakeStore<V1Namespace>(options.namespaces);
function replace<T extends KubeObject>(store: FakeStore<T>, next: readonly T[]): void {
  const kept = new Set(next.map(objectKey));
  for (const object of next) store.set(object);
  for (const object of store.list()) if (!kept.has(objectKey(object))) store.remove(objectKey(object));
}
const lines = createInterface(process.stdin).on("line", (line) => {
  const news: ClusterNews & Partial<StateQuestion> = JSON.parse(line);
  if (news.nodes) replace(nodes, news.nodes);
  if (news.namespaces) replace(namespaces, news.namespaces);
  if (news.answerEvent) console.log(JSON.stringify({ event: news.answerEvent, state: cni.state() }));
});

const routes = (options.learned ?? []).map(({ prefix, nextHop, device }) => ({
  prefix: parsePrefix(prefix),
  nextHop: parseAddress(nextHop),
  device,
}));
const podRoutes: PodRoutes = { current: () => ({ routes, complete: true }), subscribe: () => () => {} };

const cni = startCni(
  {
    ...options,
    nodes,
    namespaces,
    client: fakeKubeClient(),
    ...(options.routing === "bgp" && { podRoutes }),
    clusterCidrs: options.clusterCidrs.map(parsePrefix),
    nonMasqueradeCidrs: options.nonMasqueradeCidrs.map(parsePrefix),
    log: createLog("cni-node", options.logLevel ?? "debug"),
    metrics: createMetrics(),
  },
  stop.signal,
);
await cni.done;
lines.close();

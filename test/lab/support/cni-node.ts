/**
 * The CNI part alone, in the network namespace it is started in. Argument: CniNodeOptions as JSON. Each line on standard
 * input is a list of Nodes that takes the place of the one before.
 */
import { createInterface } from "node:readline";
import { startCni } from "../../../cni/mod.ts";
import type { RoutingMode } from "../../../config/mod.ts";
import { createLog, createMetrics, type LogLevel } from "../../../core/mod.ts";
import { fakeKubeClient, fakeStore, objectKey, type V1Node } from "../../../kube/mod.ts";
import { parsePrefix } from "../../../net/mod.ts";

export interface CniNodeOptions {
  readonly node: string;
  readonly nodes: readonly V1Node[];
  readonly clusterCidrs: readonly string[];
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
  /** "debug" when absent. */
  readonly logLevel?: LogLevel;
}

const options: CniNodeOptions = JSON.parse(process.argv[2]!);
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());

const nodes = fakeStore<V1Node>(options.nodes);
const lines = createInterface(process.stdin).on("line", (line) => {
  const next: V1Node[] = JSON.parse(line);
  const kept = new Set(next.map(objectKey));
  for (const node of next) nodes.set(node);
  for (const node of nodes.list()) if (!kept.has(objectKey(node))) nodes.remove(objectKey(node));
});

const cni = startCni(
  {
    ...options,
    nodes,
    client: fakeKubeClient(),
    clusterCidrs: options.clusterCidrs.map(parsePrefix),
    log: createLog("cni-node", options.logLevel ?? "debug"),
    metrics: createMetrics(),
  },
  stop.signal,
);
await cni.done;
lines.close();

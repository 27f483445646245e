import { watch } from "node:fs";
import { mkdir } from "node:fs/promises";
import { explainError, startRunner } from "../core/mod.ts";
import { NODES, refusalStatus, type V1Node, type V1Pod } from "../kube/mod.ts";
import { nameOf } from "./cluster.ts";
import { readNetworkList } from "./libcni.ts";
import { PodWorker, type PodWorkerOptions } from "./pod-worker.ts";
import type { LabHost } from "./topology.ts";

/** What `kubectl get nodes` shows as the version. */
const VERSION = "v1.34.0+lab";

/** Milliseconds. Heartbeats are seldom: the kubelet and the API server are one process here. */
const NODE_INTERVALS = { minInterval: 20, retryInterval: 500, maxInterval: 60_000 };

export interface Kubelet {
  /** Resolves when the kubelet has ended and no container of it runs any more. */
  readonly done: Promise<void>;
}

/** Registers a node and runs the pods that are given to it, until `signal`. Starts new: it adopts nothing. */
export function startKubelet(options: PodWorkerOptions, signal: AbortSignal): Kubelet {
  const { cluster, node } = options;
  const workers = new Map<string, PodWorker>();

  const look = (pod: V1Pod) => {
    const uid = pod.metadata?.uid ?? "";
    const known = workers.get(uid);
    if (known !== undefined) return known.poke();
    if (pod.spec?.nodeName !== node.name || signal.aborted) return;
    const worker = new PodWorker(pod, options);
    workers.set(uid, worker);
    void worker.done.then(() => workers.delete(uid));
  };
  const stopListening = cluster.pods.subscribe(({ before, after }) => {
    if (before !== undefined && before.metadata?.uid !== after?.metadata?.uid) look(before);
    if (after !== undefined) look(after);
  });
  for (const pod of cluster.pods.byIndex("node", node.name)) look(pod);

  const onError = (error: unknown) =>
    cluster.log.warn(
      { event: "lab.node.retry", node: node.name, error: explainError(error) },
      "node status not written",
    );
  const status = startRunner(() => writeNode(options), { ...NODE_INTERVALS, onError }, signal);
  void watchDirectory(options.cni.confDir, status.poke, signal);

  const stopped = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => {
      stopListening();
      resolve(Promise.all([...workers.values()].map((worker) => worker.kill())).then(() => {}));
    });
  });
  return { done: Promise.all([status.done, stopped]).then(() => {}) };
}

/** Creates the Node object, or brings its status up to date. */
async function writeNode({ cluster, node, cni }: PodWorkerOptions): Promise<void> {
  const known = cluster.nodes.get(node.name) ?? (await cluster.client.get(NODES, { name: node.name }));
  const list = await readNetworkList(cni.confDir);
  const desired = nodeObject(node, list !== undefined, known, new Date().toISOString());
  if (known === undefined) {
    try {
      await cluster.client.create(NODES, desired);
    } catch (error) {
      if (refusalStatus(error) !== 409) throw error; // this kubelet's own Node, not in the store yet
    }
  }
  // Conditions are merged by type: others write theirs into the same list. Addresses would be too, and of two InternalIPs
  // only one would stay.
  const addresses = [...(desired.status?.addresses ?? []), { $patch: "replace" }];
  const patch = { kind: "strategic", body: { status: { ...desired.status, addresses } } } as const;
  await cluster.client.patch(NODES, nameOf(desired), patch, "status");
}

/** A Node as its kubelet reports it; Ready follows the network. Pure. */
export function nodeObject(
  { name, address, ipv6 }: LabHost,
  networkReady: boolean,
  known: V1Node | undefined,
  now: string,
): V1Node {
  const condition = (type: string, status: "True" | "False", reason: string, message: string) => {
    const old = known?.status?.conditions?.find((other) => other.type === type);
    const lastTransitionTime = old?.status === status ? (old.lastTransitionTime ?? now) : now;
    return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime };
  };
  const size = { cpu: "2", memory: "4Gi", pods: "250", "ephemeral-storage": "20Gi" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
    status: {
      addresses: [
        { type: "InternalIP", address },
        ...(ipv6 === undefined ? [] : [{ type: "InternalIP", address: ipv6 }]),
        { type: "Hostname", address: name },
      ],
      capacity: size,
      allocatable: size,
      conditions: [
        condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        networkReady
          ? condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")
          : condition(
              "Ready",
              "False",
              "KubeletNotReady",
              "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
            ),
      ],
      nodeInfo: {
        kubeletVersion: VERSION,
        kubeProxyVersion: "",
        containerRuntimeVersion: "lab://1",
        osImage: "network namespace of this machine",
        operatingSystem: "linux",
        architecture: process.arch === "x64" ? "amd64" : process.arch,
        kernelVersion: "",
        machineID: name,
        systemUUID: name,
        bootID: name,
      },
    },
  };
}

/** Calls `onChange` when a file comes or goes, until `signal`. */
async function watchDirectory(directory: string, onChange: () => void, signal: AbortSignal): Promise<void> {
  await mkdir(directory, { recursive: true });
  watch(directory, { signal, persistent: false }, onChange);
  onChange();
}

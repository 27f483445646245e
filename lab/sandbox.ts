import { randomBytes } from "node:crypto";
import { IronbridgeError } from "../core/mod.ts";
import type { V1Pod } from "../kube/mod.ts";
import { exec } from "../linux/mod.ts";
import { runCommand } from "./command.ts";
import { type Attachment, type CniOptions, cniAdd, cniDel, readNetworkList } from "./libcni.ts";
import { type LabHost, netnsPath } from "./topology.ts";

/** The network of one pod. */
export interface Sandbox {
  readonly id: string;
  readonly netnsPath: string;
  /** The first one is the pod's main address. */
  readonly addresses: readonly string[];
  remove(): Promise<void>;
}

export interface SandboxOptions {
  readonly node: LabHost;
  /** What names of network namespaces begin with. */
  readonly netnsPrefix: string;
  readonly cni: CniOptions;
}

/**
 * Makes a network namespace and has the node's network plugins fill it; a pod of the host network uses the node's.
 * What a failed attempt made is removed again.
 * @throws {IronbridgeError} IB_CNI_FAILED, or IB_CONFIG_INVALID when the node has no network list yet.
 */
export async function createSandbox(pod: V1Pod, options: SandboxOptions): Promise<Sandbox> {
  const id = randomBytes(32).toString("hex");
  if (pod.spec?.hostNetwork === true) {
    const { netns, address, ipv6 } = options.node;
    const addresses = ipv6 === undefined ? [address] : [address, ipv6];
    return { id, netnsPath: netnsPath(netns), addresses, remove: async () => {} };
  }
  const netns = `${options.netnsPrefix}pod-${id.slice(0, 10)}`;
  const attachment = attachmentOf(pod, id, netnsPath(netns));
  const remove = async () => {
    await cniDel(options.cni, await readNetworkList(options.cni.confDir), attachment);
    await exec("ip", ["netns", "del", netns]);
  };
  const list = await readNetworkList(options.cni.confDir);
  if (list === undefined) {
    throw new IronbridgeError(
      "IB_CONFIG_INVALID",
      `cni plugin not initialized: no network list in ${options.cni.confDir}`,
    );
  }
  await exec("ip", ["netns", "add", netns]);
  try {
    await exec("ip", ["-n", netns, "link", "set", "dev", "lo", "up"]);
    const result = await cniAdd(options.cni, list, attachment);
    const addresses = (result.ips ?? []).map(({ address }) => address.split("/")[0]!);
    if (addresses.length === 0) throw new IronbridgeError("IB_CNI_FAILED", `network ${list.name} gave no address`);
    return { id, netnsPath: netnsPath(netns), addresses, remove };
  } catch (error) {
    // Every ADD, even a failed one, is followed by a DEL (CNI specification section 3); its own failure adds nothing new.
    await cniDel(options.cni, list, attachment).catch(() => {});
    await exec("ip", ["netns", "del", netns]);
    throw error;
  }
}

/** Plugins work on the node's own network, so they run in the node's namespace. */
export function runPluginOn(node: LabHost): CniOptions["run"] {
  return (path, env, stdin) =>
    runCommand("nsenter", [`--net=${netnsPath(node.netns)}`, path], { env, input: stdin, timeout: 60_000 });
}

function attachmentOf(pod: V1Pod, id: string, path: string): Attachment {
  const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
  return {
    containerId: id,
    netnsPath: path,
    ifname: "eth0",
    capabilityArgs: capabilityArgs(pod),
    podName: name,
    podNamespace: namespace,
    podUid: uid,
  };
}

/** Values for the capabilities of CNI conventions: host ports, and the bandwidth annotations of Kubernetes. */
export function capabilityArgs(pod: V1Pod): Record<string, unknown> {
  const portMappings = (pod.spec?.containers ?? [])
    .flatMap((container) => container.ports ?? [])
    .filter(({ hostPort = 0 }) => hostPort > 0)
    .map(({ hostPort, containerPort, protocol = "TCP", hostIP = "" }) => ({
      hostPort,
      containerPort,
      protocol: protocol.toLowerCase(),
      hostIP,
    }));
  const rate = (direction: string) =>
    bitsPerSecond(pod.metadata?.annotations?.[`kubernetes.io/${direction}-bandwidth`]);
  const [ingressRate, egressRate] = [rate("ingress"), rate("egress")];
  // Bursts as kubelets give them: as large as the plugin takes.
  const burst = 2 ** 31 - 1;
  const bandwidth = {
    ...(ingressRate !== undefined ? { ingressRate, ingressBurst: burst } : {}),
    ...(egressRate !== undefined ? { egressRate, egressBurst: burst } : {}),
  };
  return {
    ...(portMappings.length > 0 ? { portMappings } : {}),
    ...(Object.keys(bandwidth).length > 0 ? { bandwidth } : {}),
  };
}

/** "10M" is 10,000,000; Kubernetes quantities with a decimal or binary suffix. Undefined for anything else. */
function bitsPerSecond(quantity: string | undefined): number | undefined {
  const [, number, suffix = ""] = /^(\d+(?:\.\d+)?)(k|M|G|Ki|Mi|Gi)?$/.exec(quantity ?? "") ?? [];
  if (number === undefined) return undefined;
  const factors: Readonly<Record<string, number>> = { k: 1e3, M: 1e6, G: 1e9, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };
  return Math.round(Number(number) * (factors[suffix] ?? 1));
}

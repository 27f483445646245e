import { fileURLToPath } from "node:url";
import type { ProxyMode } from "../config/mod.ts";
import { CLUSTER_CIDRS, type IpFamilies } from "./address-plan.ts";
import type { LabDirectory } from "./lab-directory.ts";

const EXECUTABLE = fileURLToPath(new URL("../bin/ironbridge", import.meta.url));

/** The command of a node's agent, as its DaemonSet would give it, with the paths of the lab's node. */
export function agentCommand(
  node: string,
  proxyMode: ProxyMode,
  families: IpFamilies,
  directory: LabDirectory,
): string[] {
  const paths = directory.node(node);
  const flags: Readonly<Record<string, string>> = {
    node,
    kubeconfig: directory.lanKubeconfig,
    "proxy-mode": proxyMode,
    "cluster-cidr": CLUSTER_CIDRS[families].join(),
    "state-dir": paths.state,
    "run-dir": paths.run,
    "cni-bin-dir": paths.cniBin,
    "cni-conf-dir": paths.cniConf,
    "member-key-file": directory.memberKey,
  };
  return [EXECUTABLE, "agent", ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])];
}

export function controllerCommand(directory: LabDirectory): string[] {
  const own = ["--namespace", "ironbridge-system", "--webhook-address", "127.0.0.1:9443"];
  return [EXECUTABLE, "controller", "--kubeconfig", directory.lanKubeconfig, ...own];
}

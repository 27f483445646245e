import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildTopology, netnsPrefix, removeTopology } from "../../lab/topology.ts";
import { waitFor } from "../support/wait.ts";
import { closeApiDoor, openApiDoor } from "./api-door.ts";
import { importCatalogue } from "./containerd.ts";
import { apiUrl, writeControlPlane } from "./control-plane.ts";
import { kubectl } from "./kubectl.ts";
import { killMachine, machinePid, removeMachineCgroups, startMachine } from "./machine.ts";
import { makePki, printKubeconfig } from "./pki.ts";
import type { ClusterPlan } from "./plan.ts";
import { writeNode } from "./worker.ts";

/** Tells somebody who waits what is going on. */
export type Say = (line: string) => void;

/** How long a new cluster's API server may take, on a busy computer. Milliseconds. */
const PATIENCE = 120_000;

/** True when a machine of this cluster runs. */
export async function isClusterUp(plan: ClusterPlan): Promise<boolean> {
  const pids = await Promise.all(plan.nodes.map(machinePid));
  return pids.some((pid) => pid !== undefined);
}

/**
 * Starts a bare Kubernetes: nodes that have joined and are not ready, because nobody has given them a pod network, and
 * Services that nobody forwards. What an earlier cluster of this name left behind is removed first.
 */
export async function startBareCluster(plan: ClusterPlan, say: Say): Promise<void> {
  await removeCluster(plan);
  say("machines, cables, certificates");
  await mkdir(plan.directory, { recursive: true });
  await Promise.all([buildTopology(plan.tag, plan.nodes.length, plan.ipFamilies), makePki(plan)]);
  await writeControlPlane(plan);
  for (const node of plan.nodes) await writeNode(plan, node);
  await writeFile(plan.lanKubeconfig, await printKubeconfig(plan, "admin", apiUrl(plan)), { mode: 0o600 });
  const url = await openApiDoor(plan);
  await writeFile(plan.kubeconfig, await printKubeconfig(plan, "admin", url), { mode: 0o600 });

  await Promise.all(plan.nodes.map(startMachine));
  say("etcd, API server, kubelets; images into containerd");
  const images = Promise.all(plan.nodes.map(importCatalogue));
  await Promise.all([images, waitForNodes(plan)]);
  await kubectl(plan, ["label", "node", plan.controlPlane.name, "node-role.kubernetes.io/control-plane="]);
}

async function waitForNodes(plan: ClusterPlan): Promise<void> {
  const ready = async () => (await kubectl(plan, ["get", "--raw", "/readyz"])) === "ok";
  await waitFor("the API server", ready, { deadline: PATIENCE, every: 200 });
  const names = plan.nodes.map(({ name }) => `node/${name}`);
  const joined = async () => (await kubectl(plan, ["get", ...names, "-o", "name"])) !== "";
  await waitFor("all nodes to join", joined, { deadline: PATIENCE, every: 200 });
}

/** Removes everything of a cluster, whoever started it and however it ended. No error when there is nothing. */
export async function removeCluster(plan: ClusterPlan): Promise<void> {
  await closeApiDoor(plan);
  await Promise.all(plan.nodes.map(killMachine));
  await removeTopology(plan.tag);
  for (const machine of plan.nodes) await removeMachineCgroups(machine);
  const own = ["pki", "kubeconfig", "lan.kubeconfig", ...plan.nodes.map(({ name }) => name)];
  for (const name of own) await rm(join(plan.directory, name), { recursive: true, force: true });
}

/** The commands that somebody who looks around needs. */
export function printHints(plan: ClusterPlan): string {
  const prefix = netnsPrefix(plan.tag);
  return [
    `  export KUBECONFIG=${plan.kubeconfig}`,
    "  kubectl get nodes,pods -A -o wide",
    `  ip netns exec ${prefix}client curl http://192.168.1.100/`,
    `  tail -f ${plan.directory}/node1/var/log/*.log`,
  ].join("\n");
}

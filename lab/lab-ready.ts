import { setTimeout as pause } from "node:timers/promises";
import { IronbridgeError } from "../core/mod.ts";
import type { Cluster } from "./cluster.ts";
import { runInHost } from "./command.ts";
import type { LabDirectory } from "./lab-directory.ts";
import type { LabHost } from "./topology.ts";

/** Milliseconds until everything must be ready, and between two looks at an agent. */
const TIMEOUT = 20_000;
const INTERVAL = 50;
/** Where agents serve what they say of themselves, by default. */
const AGENT_ADMIN_ADDRESS = "127.0.0.1:10249";

/**
 * Waits until every node is ready for pods, which it is once its agent has installed the pod network.
 * @throws {IronbridgeError} IB_LAB_FAILED, naming the logs of the agents that have not
 */
export async function untilNodesReady(
  cluster: Cluster,
  nodes: readonly LabHost[],
  directory: LabDirectory,
): Promise<void> {
  const notReady = () => nodes.filter(({ name }) => !isReady(cluster, name));
  await new Promise<void>((resolve, reject) => {
    const finish = () => {
      clearTimeout(timer);
      stopListening();
      if (notReady().length === 0) return resolve();
      const names = notReady().map(({ name }) => name);
      const logs = names.map((name) => directory.logOf(`agent-${name}`)).join(", ");
      const what = `${names.join(", ")} not ready after ${TIMEOUT / 1000} s: no pod network was installed there`;
      reject(new IronbridgeError("IB_LAB_FAILED", `${what}; see ${logs}`));
    };
    const check = () => {
      if (notReady().length === 0) finish();
    };
    const timer = setTimeout(finish, TIMEOUT);
    const stopListening = cluster.nodes.subscribe(check);
    check();
  });
}

/**
 * Waits until every agent says of all its parts that they are ready: rules written, network installed.
 * @throws {IronbridgeError} IB_LAB_FAILED with the agent's own reasons
 */
export async function untilAgentsReady(nodes: readonly LabHost[], directory: LabDirectory): Promise<void> {
  const end = Date.now() + TIMEOUT;
  const args = ["-sS", "--fail-with-body", "--max-time", "1", `http://${AGENT_ADMIN_ADDRESS}/readyz`];
  for (const { name, netns } of nodes) {
    let answer = await runInHost(netns, "curl", args);
    while (answer.exitCode !== 0) {
      if (Date.now() > end) {
        const why = `${answer.stdout} ${answer.stderr}`.trim();
        throw new IronbridgeError("IB_LAB_FAILED", `agent of ${name}: ${why}; see ${directory.logOf(`agent-${name}`)}`);
      }
      await pause(INTERVAL);
      answer = await runInHost(netns, "curl", args);
    }
  }
}

function isReady(cluster: Cluster, name: string): boolean {
  const conditions = cluster.nodes.get(name)?.status?.conditions ?? [];
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}

import { spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import { isRunning, pidsOfCommand, signalProcess } from "../../lab/process-table.ts";
import { netnsPath } from "../../lab/topology.ts";
import { API_PORT, type ClusterPlan } from "./plan.ts";

/** The first TCP port of loopback that is tried for a cluster's API server. */
const FIRST_PORT = 16_443;
const LAST_PORT = 16_499;

/**
 * Makes the API server reachable from this computer, which has no route into the LAN: a socat that listens on loopback
 * and starts another one inside the LAN for each connection.
 * @returns The URL for kubeconfigs.
 */
export async function openApiDoor(plan: ClusterPlan): Promise<string> {
  for (let port = FIRST_PORT; port <= LAST_PORT; port++) {
    const child = spawn("socat", [`TCP-LISTEN:${port},bind=127.0.0.1,reuseaddr,fork`, target(plan)], {
      stdio: "ignore",
      detached: true,
    });
    const ended = new Promise<true>((resolve) => child.once("exit", () => resolve(true)));
    // It ends at once when the port is taken.
    if (await Promise.race([ended, pause(200, false)])) continue;
    child.unref();
    return `https://127.0.0.1:${port}`;
  }
  throw new Error(`no free port from ${FIRST_PORT} to ${LAST_PORT} on 127.0.0.1 for the API server`);
}

/** Ends the socat of this cluster and the connections through it, also after a cluster that was killed. */
export async function closeApiDoor(plan: ClusterPlan): Promise<void> {
  const pids = await pidsOfCommand([target(plan)]);
  for (const pid of pids) signalProcess(pid, "SIGTERM");
  while (pids.some(isRunning)) await pause(10);
}

function target({ lan, controlPlane }: ClusterPlan): string {
  return `EXEC:nsenter --net=${netnsPath(lan.netns)} socat STDIO TCP\\:${controlPlane.address}\\:${API_PORT}`;
}

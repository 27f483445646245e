import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import type { Log } from "../core/mod.ts";
import { createListenSocket, openNetns } from "../linux/mod.ts";
import { API_PORT, LAN_ADDRESS } from "./address-plan.ts";
import { type ApiServer, startApiServer } from "./api/mod.ts";
import { readLogFile } from "./container-log.ts";
import { type LabDirectory, writeKubeconfig } from "./lab-directory.ts";
import { containerLogFile } from "./pod-worker.ts";
import { netnsPath, type Topology } from "./topology.ts";

const CRD_DIRECTORY = fileURLToPath(new URL("../deploy/crds", import.meta.url));

/**
 * Starts the API server and writes the kubeconfigs. It listens inside the LAN for the programs of the lab, and on a free
 * port of this machine for kubectl.
 */
export async function serveApi(topology: Topology, directory: LabDirectory, log: Log): Promise<ApiServer> {
  const lan = openNetns(netnsPath(topology.lan.netns));
  try {
    const api = await startApiServer({
      listen: [{ host: "127.0.0.1", port: 0 }, { fd: createListenSocket(LAN_ADDRESS, API_PORT, lan) }],
      advertised: { host: LAN_ADDRESS, port: API_PORT },
      crds: await readCrds(),
      log,
      logs: (pod, { container, ...read }) => {
        const { nodeName } = pod.spec as { readonly nodeName?: string };
        const { pods } = directory.node(nodeName ?? "");
        return readLogFile(containerLogFile(pods, pod.metadata.uid ?? "", container), read);
      },
    });
    await writeKubeconfig(directory.lanKubeconfig, `http://${LAN_ADDRESS}:${API_PORT}`);
    await writeKubeconfig(directory.kubeconfig, api.url);
    return api;
  } finally {
    lan.close();
  }
}

async function readCrds(): Promise<object[]> {
  const files = (await readdir(CRD_DIRECTORY)).filter((name) => name.endsWith(".yaml"));
  return Promise.all(files.map(async (name) => parse(await readFile(join(CRD_DIRECTORY, name), "utf8"))));
}

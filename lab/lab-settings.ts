import { PROXY_MODES, type ProxyMode } from "../config/mod.ts";
import { explainError, type Log } from "../core/mod.ts";
import { type KubeClient, objectKey } from "../kube/mod.ts";
import type { Lab } from "./lab.ts";
import { CONFIG_MAPS, type V1ConfigMap } from "./resource.ts";

/** A ConfigMap carries what can be changed while the lab runs: any client of its API can write it. */
const NAME = { namespace: "kube-system", name: "ironbridge-lab" };

export interface LabSettings {
  /** What the agents should run in. */
  readonly proxyMode: ProxyMode;
  /** What they were started in last. */
  readonly runningProxyMode: ProxyMode;
}

/** Undefined while the lab is starting. */
export async function readLabSettings(client: KubeClient): Promise<LabSettings | undefined> {
  const { data } = (await client.get(CONFIG_MAPS, NAME)) ?? {};
  const mode = (text: string | undefined) => PROXY_MODES.find((known) => known === text);
  const [proxyMode, runningProxyMode] = [mode(data?.proxyMode), mode(data?.runningProxyMode)];
  return proxyMode === undefined || runningProxyMode === undefined ? undefined : { proxyMode, runningProxyMode };
}

/** Asks a running lab to run its agents in another mode. */
export async function askForProxyMode(client: KubeClient, proxyMode: ProxyMode): Promise<void> {
  await client.patch(CONFIG_MAPS, NAME, { kind: "merge", body: { data: { proxyMode } } });
}

/** Writes the settings of a lab that has just started, and follows what is asked for from then on. */
export async function followLabSettings(lab: Lab, startedIn: ProxyMode, log: Log): Promise<void> {
  let running = startedIn;
  let following = Promise.resolve();
  const follow = async (wanted: ProxyMode) => {
    if (wanted === running) return;
    await lab.setProxyMode(wanted);
    running = wanted;
    await lab.client.patch(CONFIG_MAPS, NAME, { kind: "merge", body: { data: { runningProxyMode: wanted } } });
  };
  const onFailure = (error: unknown) =>
    log.error({ event: "lab.settings.failed", error: explainError(error) }, "could not change the proxy mode");
  const key = objectKey({ metadata: NAME });
  lab.cluster.configMaps.subscribe((change) => {
    const wanted = PROXY_MODES.find((known) => known === change.after?.data?.proxyMode);
    if (change.key === key && wanted !== undefined) following = following.then(() => follow(wanted)).catch(onFailure);
  });
  await lab.client.create(CONFIG_MAPS, settingsObject(startedIn));
}

function settingsObject(mode: ProxyMode): V1ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: NAME, data: { proxyMode: mode, runningProxyMode: mode } };
}

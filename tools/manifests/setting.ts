import { AGENT_OPTIONS, API_SERVER_OPTIONS, CONTROLLER_OPTIONS, type Flag, flagsOf } from "../../config/mod.ts";

/** Names of the ConfigMaps that users write. */
export const SETTINGS = "ironbridge";
export const API_SETTINGS = "ironbridge-api";

/** Flags of `ironbridge agent` that the ConfigMap ironbridge-api holds, under another key. */
export const API_KEYS: Readonly<Record<string, string>> = { "api-host": "host", "api-port": "port" };

/** Flags that belong to the pod and not to the ConfigMap, and where their values come from. */
export const POD_FLAGS: Readonly<Record<string, string>> = {
  node: "the pod's node, by the downward API",
  namespace: "the pod's namespace, by the downward API",
  kubeconfig: "not set: the pod's service account",
  "kubelet-kubeconfig": "the places where kubelets keep it, mounted into an init container only",
  "api-server-file": "shared by the agent with that init container, which writes it",
  "state-dir": "a directory of the node, mounted: /var/lib/ironbridge",
  "run-dir": "a directory of the node, mounted: /run/ironbridge",
  "cni-bin-dir": "a directory of the node, mounted: /opt/cni/bin",
  "cni-conf-dir": "a directory of the node, mounted: /etc/cni/net.d",
  "admin-address": "fits the pod's probes: port 7476 of the node itself for agents, 9120 of the pod for the controller",
  "webhook-address": "port 9443 of the controller's pod, which the Service ironbridge-webhook leads to",
  "allocate-node-cidrs": "`controller.allocateNodeCidrs` of the chart, with the rights that it needs",
  "member-key-file": "not set: the Secret ironbridge-members, which the controller makes",
};

const AGENT_FLAGS = flagsOf(AGENT_OPTIONS);
const CONTROLLER_FLAGS = flagsOf(CONTROLLER_OPTIONS);

/** The keys of the ConfigMap that each program reads. */
export const AGENT_SETTINGS = AGENT_FLAGS.filter(isSetting);
export const CONTROLLER_SETTINGS = CONTROLLER_FLAGS.filter(isSetting);

/** Every flag of the programs once. */
export const ALL_FLAGS = withoutRepeats([...AGENT_FLAGS, ...CONTROLLER_FLAGS, ...flagsOf(API_SERVER_OPTIONS)]);

/** The keys of the ConfigMap. */
export const SETTING_FLAGS = ALL_FLAGS.filter(isSetting);

function isSetting({ name }: Flag): boolean {
  return !(name in POD_FLAGS) && !(name in API_KEYS);
}

function withoutRepeats(flags: readonly Flag[]): readonly Flag[] {
  return [...new Map(flags.map((flag) => [flag.name, flag])).values()];
}

/** The comment of a key: what it sets, which values there are. */
export function explainSetting({ help, choices }: Flag): string {
  return choices === undefined ? help : `${help}: ${choices.join(", ")}`;
}

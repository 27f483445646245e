import { crdOf, KINDS } from "../../config/mod.ts";
import { agentOf } from "./agent.ts";
import { controllerOf } from "./controller.ts";
import { networkPolicyOf, podMonitorOf } from "./extras.ts";
import type { Group, Manifest } from "./manifest.ts";
import { COMMON_LABELS } from "./names.ts";
import { nodeCidrRbac, rbacOf } from "./rbac.ts";
import { API_SETTINGS, explainSetting, SETTING_FLAGS, SETTINGS } from "./setting.ts";
import type { Values } from "./values.ts";
import { webhookOf } from "./webhook.ts";

/** Everything that is installed, in the order in which it is made. */
export function groupsOf(values: Values, namespace: string): readonly Group[] {
  return [
    {
      file: "crds",
      when: values.crds.enabled,
      objects: KINDS.map(({ resource, kind }) => crdOf(resource, kind) as Manifest),
    },
    {
      file: "settings",
      objects: [configMap(SETTINGS, namespace, values.settings)],
      comments: Object.fromEntries(SETTING_FLAGS.map((flag) => [flag.name, explainSetting(flag)])),
    },
    {
      file: "api",
      when: values.api.host,
      objects: [configMap(API_SETTINGS, namespace, { host: values.api.host, port: values.api.port })],
    },
    { file: "controller-rbac", objects: rbacOf("controller", namespace) },
    {
      file: "node-cidrs-rbac",
      when: values.controller.allocateNodeCidrs,
      objects: nodeCidrRbac(namespace),
    },
    { file: "agent-rbac", objects: rbacOf("agent", namespace) },
    { file: "controller", objects: [controllerOf(values, namespace)] },
    { file: "webhook", objects: webhookOf(namespace) },
    { file: "agent", objects: [agentOf(values, namespace)] },
    { file: "network-policy", when: values.networkPolicy.enabled, objects: [networkPolicyOf(namespace)] },
    { file: "pod-monitor", when: values.podMonitor.enabled, objects: [podMonitorOf(values, namespace)] },
  ];
}

/** The namespace of install.yaml; agents work in the network of the node, which only this pod security level allows. */
export function namespaceOf(name: string): Manifest {
  const levels = ["enforce", "audit", "warn"].map((mode) => [`pod-security.kubernetes.io/${mode}`, "privileged"]);
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { ...COMMON_LABELS, ...Object.fromEntries(levels) } },
  };
}

function configMap(name: string, namespace: string, data: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace, labels: COMMON_LABELS }, data };
}

import { z } from "zod";
import type { Flag } from "../../config/mod.ts";
import { explainSetting, SETTING_FLAGS } from "./setting.ts";
import { type Leaf, leaf, type ValuesOf } from "./value.ts";

/** Where released images are; the tag is that of the image that `make image` builds from this tree. */
export const IMAGE = { repository: "docker.io/ironbridge/ironbridge", tag: "dev" };

const quantities = z.record(z.string(), z.union([z.string(), z.number()]));
const resources = z.strictObject({ requests: quantities.optional(), limits: quantities.optional() });
const labels = z.record(z.string(), z.string());
const toleration = z.strictObject({
  key: z.string().optional(),
  operator: z.enum(["Exists", "Equal"]).optional(),
  value: z.string().optional(),
  effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]).optional(),
  tolerationSeconds: z.int().optional(),
});
const port = z.int().min(1).max(65535);

/** What users of the Helm chart may set. install.yaml is what comes out when they set nothing. */
export const VALUES = {
  image: {
    repository: leaf("Registry and name of the image of both programs", z.string(), IMAGE.repository),
    tag: leaf("Tag of the image", z.string(), IMAGE.tag),
    pullPolicy: leaf(
      "When nodes fetch the image: Always, IfNotPresent or Never",
      z.enum(["Always", "IfNotPresent", "Never"]),
      "IfNotPresent",
    ),
    pullSecrets: leaf("Secrets for the registry: [{name: ...}]", z.array(z.strictObject({ name: z.string() })), []),
  },
  settings: Object.fromEntries(SETTING_FLAGS.map((flag) => [flag.name, settingLeaf(flag)])),
  api: {
    host: leaf(
      "Where agents reach the API server; empty: where the node's kubelet does, then the Service kubernetes",
      z.string(),
      "",
    ),
    port: leaf("TCP port of that host", asText(port), "6443"),
  },
  agent: {
    adminHost: leaf(
      "Address of the node that /metrics, /healthz, /readyz and /debug/state are served on; 0.0.0.0 lets others read them",
      z.string(),
      "127.0.0.1",
    ),
    adminPort: leaf("TCP port of the node for the same", port, 7476),
    cniBinDir: leaf(
      "Directory of the node where the container runtime looks for CNI plugins",
      z.string(),
      "/opt/cni/bin",
    ),
    cniConfDir: leaf("Directory of the node where it looks for CNI configuration", z.string(), "/etc/cni/net.d"),
    priorityClassName: leaf("Priority class of the agents", z.string(), "system-node-critical"),
    resources: leaf("What an agent needs of its node", resources, { requests: { cpu: "100m", memory: "128Mi" } }),
    tolerations: leaf("Taints an agent ignores; it is needed on every node, ready or not", z.array(toleration), [
      { operator: "Exists" },
    ]),
    nodeSelector: leaf("Labels of the nodes that get an agent", labels, { "kubernetes.io/os": "linux" }),
  },
  controller: {
    allocateNodeCidrs: leaf(
      "Give nodes pod prefixes out of settings.cluster-cidr, where kube-controller-manager doesn't",
      z.boolean(),
      false,
    ),
    priorityClassName: leaf("Priority class of the controller", z.string(), "system-cluster-critical"),
    resources: leaf("What the controller needs of its node", resources, { requests: { cpu: "50m", memory: "96Mi" } }),
    tolerations: leaf("Taints the controller ignores", z.array(toleration), [
      { key: "node-role.kubernetes.io/control-plane", operator: "Exists", effect: "NoSchedule" },
      { key: "CriticalAddonsOnly", operator: "Exists" },
    ]),
    nodeSelector: leaf("Labels of the nodes that may run the controller", labels, { "kubernetes.io/os": "linux" }),
  },
  crds: {
    enabled: leaf("Install the CustomResourceDefinitions; they stay when the chart is removed", z.boolean(), true),
  },
  networkPolicy: {
    enabled: leaf("Let nobody reach the controller but for its metrics", z.boolean(), true),
  },
  podMonitor: {
    enabled: leaf(
      "Make a PodMonitor of the Prometheus operator; it reaches agents only if agent.adminHost lets it",
      z.boolean(),
      false,
    ),
    interval: leaf("How often Prometheus asks", z.string(), "30s"),
    labels: leaf("Labels by which Prometheus finds the PodMonitor", labels, {}),
  },
};

export type Values = ValuesOf<typeof VALUES>;

function settingLeaf(flag: Flag): Leaf<string> {
  const schema = flag.choices === undefined ? asText(z.union([z.number(), z.boolean()])) : z.enum([...flag.choices]);
  return leaf(explainSetting(flag), schema, flag.fallback ?? "");
}

/** A text that YAML reads as something else when it is not quoted, such as 7475; the template makes a text of either. */
function asText(schema: z.ZodType): z.ZodType<string> {
  return z.union([z.string(), schema]) as unknown as z.ZodType<string>;
}

/** The fields of a container that say what it runs. */
export function imageOf({ image }: Values): { readonly image: string; readonly imagePullPolicy: string } {
  return { image: `${image.repository}:${image.tag}`, imagePullPolicy: image.pullPolicy };
}

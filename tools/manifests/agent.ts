import { fixed, fromApiSettings, fromPod, fromSettings } from "./environment.ts";
import type { Manifest } from "./manifest.ts";
import { nameOf, selectorOf } from "./names.ts";
import { AGENT_SETTINGS } from "./setting.ts";
import { imageOf, type Values } from "./values.ts";
import { mountOf, type Volume, volumeOf } from "./volume.ts";

/** What the init container found, for the agent. */
const API_SERVER: Volume = { name: "api-server", mountPath: "/api-server" };
const API_SERVER_FILE = `${API_SERVER.mountPath}/url`;

/** Where kubelets keep their kubeconfig. Directories, since a runtime makes an empty directory in place of a missing file. */
const KUBELET: readonly Volume[] = [
  { name: "etc-kubernetes", hostPath: "/etc/kubernetes", mountPath: "/etc/kubernetes", readOnly: true },
  { name: "kubelet", hostPath: "/var/lib/kubelet", mountPath: "/var/lib/kubelet", readOnly: true },
];
const MODULES: Volume = { name: "modules", hostPath: "/lib/modules", mountPath: "/lib/modules", readOnly: true };

/** Milliseconds are enough to hand the addresses over; a node under load gets more. */
const GRACE_SECONDS = 30;

/** The DaemonSet: an agent on every node, in the node's own network. */
export function agentOf(values: Values, namespace: string): Manifest {
  const { agent } = values;
  const node = nodeVolumes(values);
  const labels = selectorOf("agent");
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: nameOf("agent"), namespace, labels },
    spec: {
      selector: { matchLabels: labels },
      // One node at a time: its addresses are with another node meanwhile.
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels, annotations: { "kubectl.kubernetes.io/default-container": "agent" } },
        spec: {
          serviceAccountName: nameOf("agent"),
          imagePullSecrets: values.image.pullSecrets,
          priorityClassName: agent.priorityClassName,
          hostNetwork: true,
          dnsPolicy: "Default",
          terminationGracePeriodSeconds: GRACE_SECONDS,
          nodeSelector: agent.nodeSelector,
          tolerations: agent.tolerations,
          initContainers: [findApiServer(values), loadModules(values)],
          containers: [agentContainer(values, node)],
          volumes: [API_SERVER, ...KUBELET, MODULES, ...node].map(volumeOf),
        },
      },
    },
  };
}

/** The directories of the node that the agent itself works with. */
function nodeVolumes({ agent }: Values): readonly Volume[] {
  return [
    { name: "netns", hostPath: "/run/netns", mountPath: "/run/netns", follow: true },
    { name: "cni-bin", hostPath: agent.cniBinDir, mountPath: agent.cniBinDir },
    { name: "cni-conf", hostPath: agent.cniConfDir, mountPath: agent.cniConfDir },
    // What runtimes and other plugins remember of pods: a lost store is written anew from it, and what a runtime that
    // was killed left half written is removed.
    { name: "cni-results", hostPath: "/var/lib/cni", mountPath: "/var/lib/cni" },
    { name: "state", hostPath: "/var/lib/ironbridge", mountPath: "/var/lib/ironbridge" },
    { name: "run", hostPath: "/run/ironbridge", mountPath: "/run/ironbridge" },
    { name: "xtables-lock", hostPath: "/run/xtables.lock", mountPath: "/run/xtables.lock", type: "FileOrCreate" },
    // Of a container, /proc/sys itself is read-only, and no runtime mounts anything over it.
    { name: "net-sysctl", hostPath: "/proc/sys/net", mountPath: "/host/proc/sys/net", type: "Directory" },
  ];
}

function agentContainer(values: Values, node: readonly Volume[]): object {
  const { adminHost, adminPort, cniBinDir, cniConfDir, resources } = values.agent;
  const probe = (path: string) => ({ httpGet: { host: adminHost, port: "admin", path } });
  return {
    name: "agent",
    ...imageOf(values),
    args: ["agent"],
    env: [
      fromPod("node", "spec.nodeName"),
      fromPod("namespace", "metadata.namespace"),
      fixed("admin-address", `${adminHost}:${adminPort}`),
      fixed("cni-bin-dir", cniBinDir),
      fixed("cni-conf-dir", cniConfDir),
      fixed("api-server-file", API_SERVER_FILE),
      ...fromApiSettings(),
      ...fromSettings(AGENT_SETTINGS),
    ],
    ports: [{ name: "admin", containerPort: adminPort, hostPort: adminPort, protocol: "TCP" }],
    livenessProbe: { ...probe("/healthz"), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
    readinessProbe: { ...probe("/readyz"), periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 3 },
    resources,
    // SYS_ADMIN: setns(2) into the network namespaces of pods asks for it. NET_RAW: ARP frames. SYS_NICE: what keeps time
    // goes first.
    securityContext: rootWith("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_NICE"),
    volumeMounts: [{ ...API_SERVER, readOnly: true as const }, ...node].map(mountOf),
  };
}

/** Reads the kubelet's kubeconfig, takes the address of the API server from it and nothing else, and ends. */
function findApiServer(values: Values): object {
  return {
    name: "find-api-server",
    ...imageOf(values),
    args: ["prepare", "api-server"],
    env: [fixed("api-server-file", API_SERVER_FILE)],
    securityContext: rootWith(),
    volumeMounts: [API_SERVER, ...KUBELET].map(mountOf),
  };
}

/** Loads what the kernel doesn't load by itself, so that the agent needs no right to load modules. */
function loadModules(values: Values): object {
  return {
    name: "load-modules",
    ...imageOf(values),
    args: ["prepare", "modules"],
    securityContext: rootWith("SYS_MODULE"),
    volumeMounts: [MODULES].map(mountOf),
  };
}

/** Root, but with these capabilities only. The SELinux type is what lets it write to directories of the node. */
function rootWith(...capabilities: readonly string[]): object {
  return {
    runAsUser: 0,
    runAsGroup: 0,
    allowPrivilegeEscalation: capabilities.includes("SYS_ADMIN"), // the API server refuses false beside SYS_ADMIN
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"], ...(capabilities.length > 0 ? { add: capabilities } : {}) },
    seccompProfile: { type: "RuntimeDefault" },
    seLinuxOptions: { type: "spc_t", level: "s0" },
  };
}

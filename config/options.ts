import { isAbsolute } from "node:path";
import { hasCode, LOG_LEVELS } from "../core/mod.ts";
import { type Prefix, parsePrefix, tryParseAddress } from "../net/mod.ts";
import { parseDuration } from "./duration.ts";
import { isRegExp } from "./interface-entry.ts";
import { NODE_CIDR_OPTIONS } from "./node-cidr-options.ts";
import { type OptionValues, type Refusal, readOptions } from "./option.ts";
import { PROXY_OPTIONS } from "./proxy-options.ts";

/** The parts of the agent; each can be left out. */
const AGENT_PARTS = ["speaker", "proxy", "cni"] as const;
export type AgentPart = (typeof AGENT_PARTS)[number];

/** How the proxy writes its rules. */
export const PROXY_MODES = ["nftables", "iptables"] as const;
export type ProxyMode = (typeof PROXY_MODES)[number];

/** The Secret with the speakers' shared key, in the namespace of Ironbridge: the controller makes it, the agents read it. */
export const MEMBERS_SECRET = "ironbridge-members";

/** The Lease that the controller's replicas compete for, in the namespace of Ironbridge. */
export const CONTROLLER_LEASE = "ironbridge-controller";

/**
 * How pods' packets reach other nodes: by a route over a shared L2 network, in a tunnel, in a tunnel to those nodes only
 * that are behind a router, or by the routes that BGP peers tell.
 */
export const ROUTING_MODES = ["direct", "vxlan", "cross-subnet", "bgp"] as const;
export type RoutingMode = (typeof ROUTING_MODES)[number];

/** Name of the webhook's Service, Secret and ValidatingWebhookConfiguration. */
export const WEBHOOK_NAME = "ironbridge-webhook";

/** A TCP address to listen on. */
interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const kubeconfig = {
  placeholder: "file",
  help: "credentials for the API server; without it $KUBECONFIG, then the pod's service account",
  read: text,
} as const;

const namespace = {
  placeholder: "name",
  help: `namespace of the Secret ${MEMBERS_SECRET}, which the controller makes and the speakers read`,
  read: text,
} as const;

const clusterCidr = {
  placeholder: "list",
  help: "prefixes of all pods, separated by commas; traffic from elsewhere to a Service is masqueraded",
  fallback: "",
  read: prefixes,
} as const;

const logLevel = {
  placeholder: LOG_LEVELS.join("|"),
  help: "the least important messages to log",
  fallback: "info",
  read: (value: string) => oneOf(LOG_LEVELS, value),
} as const;

const adminAddress = (fallback: string) =>
  ({
    placeholder: "host:port",
    help: "where /metrics, /healthz, /readyz and /debug/state are served",
    fallback,
    read: listenAddress,
  }) as const;

/** Settings of `ironbridge agent`. */
export const AGENT_OPTIONS = {
  node: { placeholder: "name", help: "name of the Node object this agent works for", required: true, read: text },
  kubeconfig,
  namespace,
  apiHost: {
    placeholder: "host",
    help: "where a pod's agent reaches the API server; without it where the kubelet does, then the Service kubernetes",
    read: text,
  },
  apiPort: {
    placeholder: "port",
    help: "TCP port of the API server at the host above",
    fallback: "6443",
    read: port,
  },
  apiServerFile: {
    placeholder: "file",
    help: "holds the URL where the kubelet reaches the API server, as `ironbridge prepare api-server` writes it",
    read: absolutePath,
  },
  parts: {
    placeholder: "list",
    help: `the parts to run, separated by commas, of ${AGENT_PARTS.join(", ")}`,
    fallback: AGENT_PARTS.join(","),
    read: agentParts,
  },
  proxyMode: {
    placeholder: PROXY_MODES.join("|"),
    help: "how Service rules are written to the kernel",
    fallback: "nftables",
    read: (value: string) => oneOf(PROXY_MODES, value),
  },
  clusterCidr,
  ...PROXY_OPTIONS,
  stateDir: {
    placeholder: "directory",
    help: "what must survive a restart of the node",
    fallback: "/var/lib/ironbridge",
    read: absolutePath,
  },
  runDir: {
    placeholder: "directory",
    help: "sockets and what must survive a restart of the agent only",
    fallback: "/run/ironbridge",
    read: absolutePath,
  },
  routingMode: {
    placeholder: ROUTING_MODES.join("|"),
    help: "how nodes reach each other's pods: routes on one L2 network, a VXLAN, that to other subnets only, or BGP",
    fallback: "direct",
    read: (value: string) => oneOf(ROUTING_MODES, value),
  },
  tunnelPort: {
    placeholder: "port",
    help: "UDP port of the VXLAN, the same on all nodes",
    fallback: "8472",
    read: port,
  },
  nonMasqueradeCidrs: {
    placeholder: "list",
    help: "prefixes outside the cluster, separated by commas, that pods reach with their own address",
    fallback: "",
    read: prefixes,
  },
  podFastPath: {
    placeholder: "on|off",
    help: "established TCP connections between pods pass bridge and rules by, where the kernel can (6.6 and later)",
    fallback: "on",
    read: (value: string) => oneOf(["on", "off"], value),
  },
  cniBinDir: {
    placeholder: "directory",
    help: "where the container runtime looks for CNI plugins",
    fallback: "/opt/cni/bin",
    read: absolutePath,
  },
  cniConfDir: {
    placeholder: "directory",
    help: "where the container runtime looks for CNI configuration",
    fallback: "/etc/cni/net.d",
    read: absolutePath,
  },
  adminAddress: adminAddress("127.0.0.1:10249"),
  excludeInterfaces: {
    placeholder: "list",
    help: "patterns of interfaces never announced on, besides Ironbridge's own, separated by commas; without it MetalLB's list",
    read: patterns,
  },
  memberPort: {
    placeholder: "port",
    help: "UDP port of the heartbeats between the agents' speakers",
    fallback: "7475",
    read: port,
  },
  bgpListenPort: {
    placeholder: "port",
    help: "TCP port on which BGP routers may connect, 179 by habit; without it agents make all sessions themselves",
    read: port,
  },
  memberKeyFile: {
    placeholder: "file",
    help: "secret that authenticates the heartbeats, the same on all nodes; without it that of the Secret",
    read: absolutePath,
  },
  logLevel,
} as const;

/** Settings of `ironbridge controller`. */
export const CONTROLLER_OPTIONS = {
  kubeconfig,
  namespace,
  adminAddress: adminAddress("127.0.0.1:9120"),
  lbClass: {
    placeholder: "name",
    help: "serve only Services of this loadBalancerClass; without it, only Services that name no class",
    read: text,
  },
  addressMemory: {
    placeholder: "duration",
    help: "for how long a Service that is made anew under its name gets its address back, if it is free",
    fallback: "1h",
    read: duration,
  },
  addressCoolDown: {
    placeholder: "duration",
    help: "for how long an address that a Service gave up is given to no other",
    fallback: "0s",
    read: duration,
  },
  poolUsageThresholds: {
    placeholder: "list",
    help: "percent of a pool in use at which an event on the pool says so, separated by commas",
    fallback: "75,90,100",
    read: percentages,
  },
  webhookAddress: {
    placeholder: "host:port",
    help: "where the API server may ask about configuration objects before it stores them; without it nobody may",
    read: listenAddress,
  },
  clusterCidr,
  ...NODE_CIDR_OPTIONS,
  leaseDuration: {
    placeholder: "duration",
    help: "time after which another replica takes the place of a controller that died",
    fallback: "2s",
    read: duration,
  },
  logLevel,
} as const;

/** Settings of `ironbridge prepare api-server`. */
export const API_SERVER_OPTIONS = {
  kubeletKubeconfig: {
    placeholder: "list",
    help: "files, separated by commas, of which the first that is there tells where the kubelet reaches the API server",
    fallback: "/etc/kubernetes/kubelet.conf,/var/lib/kubelet/kubeconfig",
    read: absolutePaths,
  },
  apiServerFile: { placeholder: "file", help: "where the URL is written", required: true, read: absolutePath },
} as const;

/** Settings of `ironbridge cleanup`. */
export const CLEANUP_OPTIONS = {
  parts: {
    ...AGENT_OPTIONS.parts,
    help: `the parts whose traces go, separated by commas, of ${AGENT_PARTS.join(", ")}`,
  },
  stateDir: AGENT_OPTIONS.stateDir,
  runDir: AGENT_OPTIONS.runDir,
  cniBinDir: AGENT_OPTIONS.cniBinDir,
  cniConfDir: AGENT_OPTIONS.cniConfDir,
} as const;

export type AgentOptions = OptionValues<typeof AGENT_OPTIONS>;
export type ControllerOptions = OptionValues<typeof CONTROLLER_OPTIONS>;
export type ApiServerOptions = OptionValues<typeof API_SERVER_OPTIONS>;
export type CleanupOptions = OptionValues<typeof CLEANUP_OPTIONS>;

type Raw = Readonly<Record<string, unknown>>;
type Environment = Readonly<Record<string, string | undefined>>;

/** @throws {IronbridgeError} IB_OPTION_INVALID, see readOptions(). */
export function readAgentOptions(flags: Raw, environment: Environment = {}): AgentOptions {
  return readOptions(AGENT_OPTIONS, flags, environment);
}

/** @throws {IronbridgeError} IB_OPTION_INVALID, see readOptions(). */
export function readControllerOptions(flags: Raw, environment: Environment = {}): ControllerOptions {
  return readOptions(CONTROLLER_OPTIONS, flags, environment);
}

/** @throws {IronbridgeError} IB_OPTION_INVALID, see readOptions(). */
export function readApiServerOptions(flags: Raw, environment: Environment = {}): ApiServerOptions {
  return readOptions(API_SERVER_OPTIONS, flags, environment);
}

/** @throws {IronbridgeError} IB_OPTION_INVALID, see readOptions(). */
export function readCleanupOptions(flags: Raw, environment: Environment = {}): CleanupOptions {
  return readOptions(CLEANUP_OPTIONS, flags, environment);
}

function text(value: string): string | Refusal {
  return value.trim() === "" ? { want: "a text that is not empty" } : value;
}

function absolutePath(value: string): string | Refusal {
  return isAbsolute(value) ? value : { want: "an absolute path such as /run/ironbridge" };
}

function patterns(value: string): readonly string[] | Refusal {
  const want = "regular expressions separated by commas, such as ^docker.*,^veth.*";
  return items(value).every(isRegExp) ? items(value) : { want };
}

function absolutePaths(value: string): readonly string[] | Refusal {
  const paths = items(value);
  return paths.every((path) => isAbsolute(path)) ? paths : { want: "absolute paths separated by commas" };
}

function oneOf<const T extends string>(accepted: readonly T[], value: string): T | Refusal {
  return accepted.find((each) => each === value) ?? { want: `one of ${accepted.join(", ")}` };
}

function duration(value: string): number | Refusal {
  return parseDuration(value) ?? { want: "a duration such as 0s, 500ms, 90s or 1h" };
}

function percentages(value: string): readonly number[] | Refusal {
  const numbers = items(value).map(Number);
  const right = numbers.every((number) => number > 0 && number <= 100);
  return right ? numbers.sort((a, b) => a - b) : { want: "percentages separated by commas, such as 75,90,100" };
}

function agentParts(value: string): readonly AgentPart[] | Refusal {
  const parts = AGENT_PARTS.filter((part) => items(value).includes(part));
  const want = { want: `a list such as speaker,proxy of ${AGENT_PARTS.join(", ")}, each once` };
  return parts.length > 0 && parts.length === items(value).length ? parts : want;
}

function prefixes(value: string): readonly Prefix[] | Refusal {
  try {
    return items(value).map(parsePrefix);
  } catch (error) {
    if (!hasCode(error, "IB_ADDRESS_INVALID")) throw error;
    return { want: "prefixes separated by commas, such as 10.244.0.0/16,fd00:10:244::/56" };
  }
}

function port(value: string): number | Refusal {
  return portNumber(value) ?? { want: "a port from 1 to 65535" };
}

/** `127.0.0.1:10249`, `[::1]:10249`, or `:10249` for every address of the host. */
function listenAddress(value: string): ListenAddress | Refusal {
  const colon = value.lastIndexOf(":");
  const host = value.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  const number = portNumber(value.slice(colon + 1));
  if (colon < 0 || number === undefined || (host !== "" && tryParseAddress(host) === undefined)) {
    return { want: "an address and a port such as 127.0.0.1:10249 or [::1]:10249" };
  }
  return { host: host === "" ? "::" : host, port: number };
}

function portNumber(value: string): number | undefined {
  const number = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  return number >= 1 && number <= 65535 ? number : undefined;
}

function items(value: string): string[] {
  return value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createLog, createMetrics, type Metrics } from "../../../core/mod.ts";
import {
  type FakeStore,
  fakeStore,
  objectKey,
  type V1EndpointSlice,
  type V1Node,
  type V1Service,
} from "../../../kube/mod.ts";
import { exec, type Netns, openNetns } from "../../../linux/mod.ts";
import { parsePrefix } from "../../../net/mod.ts";
import {
  type Kernel,
  kernelOf,
  type ProxyOptions,
  type Proxy as ServiceProxy,
  SLICE_INDEXES,
  startProxy,
} from "../../../proxy/mod.ts";
import { waitFor } from "../../support/wait.ts";
import { WORKER } from "../../support/worker.ts";
import type { HostAnswer, HostOrder } from "./proxy-host.ts";

/** Each of vitest's workers has its own; another prefix lets a benchmark run beside the tests. */
const PREFIX = process.env.IRONBRIDGE_PROXY_LAB_PREFIX ?? `ib-px${WORKER}-`;
/** The network namespace of the node. */
export const NODE_NETNS = `${PREFIX}node`;
/** The network namespace of any host. */
export const hostNetns = (host: HostName): string => PREFIX + host;
/** Where every host of the lab serves, and says its name. */
export const SERVING_PORT = 8080;
/** Where it says its name and this port. */
export const OTHER_PORT = 8081;
export const CLUSTER_CIDRS = ["10.244.0.0/16", "fd00:244::/32"];

/** Where rules can be written. */
export const HOMES = ["nftables", "iptables-nft", "iptables-legacy"] as const;
export type Home = (typeof HOMES)[number];

/** One node with three pods on a bridge, and a client on the node's other link that routes Services' addresses to it. */
export interface ProxyLab {
  readonly hosts: Readonly<Record<HostName, Host>>;
  readonly netns: Netns;
  readonly stores: Stores;
  /** Runs a program in the node's namespace. */
  run(program: string, ...args: readonly string[]): Promise<string>;
  /** Runs a program in the namespace of `host`. */
  on(host: HostName, program: string, ...args: readonly string[]): Promise<string>;
  /** Starts the proxy and waits until it is ready. */
  start(home: Home, choices?: Partial<ProxyOptions>, deadline?: number): Promise<RunningProxy>;
  remove(): Promise<void>;
}

export type HostName = "client" | "node" | "pod1" | "pod2" | "pod3";

export interface Stores {
  readonly services: FakeStore<V1Service>;
  readonly slices: FakeStore<V1EndpointSlice>;
  readonly nodes: FakeStore<V1Node>;
}

export interface RunningProxy {
  readonly proxy: ServiceProxy;
  readonly metrics: Metrics;
  /** Waits until the kernel has what the stores say of every Service, those that are gone included. */
  settled(): Promise<void>;
  /** How many syncs so far had anything to write. */
  written(): Promise<number>;
  stop(): Promise<void>;
}

export const ADDRESSES: Readonly<Record<HostName, { readonly ipv4: string; readonly ipv6: string }>> = {
  client: { ipv4: "192.168.1.10", ipv6: "fd00:1::10" },
  node: { ipv4: "192.168.1.11", ipv6: "fd00:1::11" },
  pod1: { ipv4: "10.244.1.2", ipv6: "fd00:244:1::2" },
  pod2: { ipv4: "10.244.1.3", ipv6: "fd00:244:1::3" },
  pod3: { ipv4: "10.244.1.4", ipv6: "fd00:244:1::4" },
};
const HOST_NAMES = Object.keys(ADDRESSES) as HostName[];

/** Addresses that load balancers, Services and external IPs may have here; routed from the client to the node. */
const SERVICE_ROUTES = { ipv4: ["192.168.1.96/27", "10.96.0.0/16"], ipv6: ["fd00:1::100/120", "fd00:96::/112"] };

export async function createProxyLab(): Promise<ProxyLab> {
  await removeNamespaces();
  await buildNamespaces();
  const netns = openNetns(`/run/netns/${NODE_NETNS}`);
  const hosts = Object.fromEntries(
    await Promise.all(HOST_NAMES.map(async (name) => [name, await Host.start(name)] as const)),
  ) as Record<HostName, Host>;
  await whenAddressesAreSure();
  const stores = emptyStores();
  return {
    hosts,
    netns,
    stores,
    run: (program, ...args) => exec(program, args, { netns }),
    on: (host, ...command) => exec("ip", ["netns", "exec", PREFIX + host, ...command]),
    start: (home, choices, deadline) =>
      startOver(home, stores, { kernel: homeKernel(netns, home), ...choices }, deadline),
    remove: async () => {
      for (const host of Object.values(hosts)) host.stop();
      netns.close();
      await removeNamespaces();
    },
  };
}

/** Service "web" of type LoadBalancer in both families: TCP 80 and UDP 53, node ports 30080 and 30053. */
export function webService(spec: V1Service["spec"] = {}): V1Service {
  return {
    metadata: { name: "web", namespace: "shop", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: {
      type: "LoadBalancer",
      clusterIP: "10.96.0.10",
      clusterIPs: ["10.96.0.10", "fd00:96::10"],
      ports: [
        { name: "http", port: 80, nodePort: 30080 },
        { name: "dns", port: 53, protocol: "UDP", nodePort: 30053 },
      ],
      ...spec,
    },
    status: { loadBalancer: { ingress: [{ ip: "192.168.1.100" }, { ip: "fd00:1::100" }] } },
  };
}

/** An endpoint, ready unless said otherwise; one that is not ready is on its way out and still serves. */
export interface PodEndpoint {
  /** Absent: this node. */
  readonly node?: string;
  readonly ready?: boolean;
  readonly serving?: boolean;
  readonly terminating?: boolean;
  /** Who it is meant for. */
  readonly zones?: readonly string[];
  readonly nodes?: readonly string[];
}

export type PodEndpoints = Partial<Record<HostName, PodEndpoint>>;

/** The slice of Service "web" with these hosts as endpoints. */
export function podSlice(family: "ipv4" | "ipv6", endpoints: PodEndpoints): V1EndpointSlice {
  return {
    metadata: { name: `web-${family}`, namespace: "shop", labels: { "kubernetes.io/service-name": "web" } },
    addressType: family === "ipv4" ? "IPv4" : "IPv6",
    ports: [
      { name: "http", port: SERVING_PORT, protocol: "TCP" },
      { name: "dns", port: SERVING_PORT, protocol: "UDP" },
    ],
    endpoints: Object.entries(endpoints).map(([host, { node = "node1", ready = true, ...more }]) => ({
      addresses: [ADDRESSES[host as HostName][family]],
      nodeName: node,
      conditions: { ready, serving: more.serving ?? true, terminating: more.terminating ?? !ready },
      ...((more.zones ?? more.nodes) && { hints: hintsOf(more) }),
    })),
  };
}

function hintsOf({ zones = [], nodes = [] }: PodEndpoint) {
  return { forZones: zones.map((name) => ({ name })), forNodes: nodes.map((name) => ({ name })) };
}

export interface AskOptions {
  /** Absent: TCP. */
  readonly protocol?: "tcp" | "udp";
  /** Milliseconds. */
  readonly timeout?: number;
  /** UDP only: the port asked from. */
  readonly from?: number;
  /** Octets of the question, and of the answer. */
  readonly size?: number;
}

/** A process in one namespace that serves and asks. */
export class Host {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (answer: HostAnswer) => void>();
  #lastId = 0;

  private constructor(name: HostName) {
    const script = join(import.meta.dirname, "proxy-host.ts");
    const args = [
      "netns",
      "exec",
      PREFIX + name,
      process.execPath,
      script,
      name,
      ...[SERVING_PORT, OTHER_PORT].map(String),
    ];
    this.#process = spawn("ip", args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#process.on("message", ({ id, answer }: { id: number; answer: HostAnswer }) =>
      this.#waiting.get(id)?.(answer),
    );
  }

  static async start(name: HostName): Promise<Host> {
    const host = new Host(name);
    await new Promise<HostAnswer>((resolve) => host.#waiting.set(0, resolve));
    return host;
  }

  /** Asks who answers at `host`. "silent" after `timeout` milliseconds. */
  ask(host: string, port: number, { protocol = "tcp", timeout = 1000, ...more }: AskOptions = {}): Promise<HostAnswer> {
    return this.order({ kind: "ask", protocol, host, port, timeout, ...more });
  }

  order(order: HostOrder): Promise<HostAnswer> {
    const id = ++this.#lastId;
    const answer = new Promise<HostAnswer>((resolve) => this.#waiting.set(id, resolve));
    this.#process.send({ id, order });
    return answer.finally(() => this.#waiting.delete(id));
  }

  stop(): void {
    if (this.#process.connected) this.#process.disconnect();
  }
}

/** Starts a proxy over `stores` and waits until the kernel has what they say. */
export async function startOver(
  home: Home,
  stores: Stores,
  choices: Partial<ProxyOptions>,
  deadline = 5000,
): Promise<RunningProxy> {
  const stop = new AbortController();
  const metrics = createMetrics();
  const proxy = startProxy(
    {
      node: "node1",
      mode: home === "nftables" ? "nftables" : "iptables",
      clusterCidrs: CLUSTER_CIDRS.map(parsePrefix),
      ...stores,
      ...choices,
      log: createLog("proxy-lab", "warn"),
      metrics,
    },
    stop.signal,
  );
  const keys = new Set<string>();
  for (const service of stores.services.list()) keys.add(objectKey(service));
  stores.services.subscribe(({ key }) => keys.add(key));
  const settled = async () => {
    const isDone = () => proxy.ready() && [...keys].every((key) => proxy.programmed(key));
    await waitFor("the rules to be in the kernel", isDone, { deadline, every: 2 });
  };
  await settled();
  return {
    proxy,
    metrics,
    settled,
    written: async () => {
      const { values = [] } =
        (await metrics.getSingleMetric("kubeproxy_sync_proxy_rules_duration_seconds")?.get()) ?? {};
      return values.find(({ labels }) => labels.le === "+Inf")?.value ?? 0;
    },
    stop: async () => {
      stop.abort();
      await proxy.done;
    },
  };
}

/** The kernel with the choice of the iptables variant taken away. */
export function homeKernel(netns: Netns | undefined, home: Home): Kernel {
  const kernel = kernelOf(netns);
  return {
    ...kernel,
    iptables: (family, variant) => {
      const forced = home === "iptables-legacy" ? "legacy" : "nft";
      return kernel.iptables(family, variant === "auto" ? forced : variant);
    },
  };
}

/**
 * The rules, elements and chains of a listing in the order of their text: where they stand says little. Without what the
 * kernel has counted.
 */
export function sortedRules(listing: string): string {
  const text = listing
    .replace(/(set connections \{[^{}]*?)elements = \{[^}]*\}/g, "$1")
    .replace(/counter packets \d+ bytes \d+ |\[\d+:\d+\]|^#.*$/gm, "");
  const parts = text.split(/\n|, |,$|\{ | \}/m).map((part) => part.trim());
  return parts
    .filter((part) => part !== "")
    .sort()
    .join("\n");
}

/** No Service, and the lab's node. */
export function emptyStores(): Stores {
  return {
    services: fakeStore<V1Service>(),
    slices: fakeStore<V1EndpointSlice>([], SLICE_INDEXES),
    nodes: fakeStore<V1Node>([
      {
        metadata: { name: "node1" },
        status: { addresses: Object.values(ADDRESSES.node).map((address) => ({ type: "InternalIP", address })) },
      },
    ]),
  };
}

async function buildNamespaces(): Promise<void> {
  const pods = HOST_NAMES.filter((name) => name.startsWith("pod"));
  await batch(
    [],
    HOST_NAMES.map((name) => `netns add ${PREFIX}${name}`),
  );
  await batch(
    ["-n", `${PREFIX}node`],
    [
      "link set lo up",
      `link add eth0 type veth peer name eth0 netns ${PREFIX}client`,
      "link add pods0 type bridge",
      "addr add 10.244.1.1/24 dev pods0",
      "addr add fd00:244:1::1/64 dev pods0 nodad",
      "link set pods0 up",
      ...addressCommands("node", "eth0"),
      "route add default via 192.168.1.10",
      "route add default via fd00:1::10",
      ...pods.flatMap((pod) => [
        `link add ${pod} type veth peer name eth0 netns ${PREFIX}${pod}`,
        `link set ${pod} master pods0`,
        `link set ${pod} type bridge_slave hairpin on`,
        `link set ${pod} up`,
      ]),
    ],
  );
  await batch(
    ["-n", `${PREFIX}client`],
    [
      "link set lo up",
      ...addressCommands("client", "eth0"),
      ...SERVICE_ROUTES.ipv4.map((prefix) => `route add ${prefix} via ${ADDRESSES.node.ipv4}`),
      ...SERVICE_ROUTES.ipv6.map((prefix) => `route add ${prefix} via ${ADDRESSES.node.ipv6}`),
    ],
  );
  for (const pod of pods) {
    const routes = ["route add default via 10.244.1.1", "route add default via fd00:244:1::1"];
    await batch(["-n", PREFIX + pod], ["link set lo up", ...addressCommands(pod, "eth0"), ...routes]);
  }
}

function addressCommands(host: HostName, link: string): string[] {
  return [
    `addr add ${ADDRESSES[host].ipv4}/24 dev ${link}`,
    `addr add ${ADDRESSES[host].ipv6}/64 dev ${link} nodad`,
    `link set ${link} up`,
  ];
}

async function batch(args: readonly string[], commands: readonly string[]): Promise<void> {
  await exec("ip", [...args, "-batch", "-"], { input: `${commands.join("\n")}\n` });
}

/** Link-local addresses are no use until nobody has objected to them (RFC 4862 section 5.4). */
async function whenAddressesAreSure(): Promise<void> {
  for (const name of HOST_NAMES) {
    const isSure = async () => (await exec("ip", ["-n", PREFIX + name, "-6", "addr", "show", "tentative"])) === "";
    await waitFor(`the addresses of ${name}`, isSure, { deadline: 5000 });
  }
}

async function removeNamespaces(): Promise<void> {
  const left = readdirSync("/run/netns").filter((name) => name.startsWith(PREFIX));
  for (const name of left) await exec("ip", ["netns", "del", name]);
}

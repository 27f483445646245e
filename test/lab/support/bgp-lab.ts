import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BFDProfile, BGPPeer } from "../../../config/mod.ts";
import type { V1EndpointSlice, V1Node, V1Service } from "../../../kube/mod.ts";
import { netnsPrefix, removeTopology } from "../../../lab/mod.ts";
import { exec } from "../../../linux/mod.ts";
import { waitFor } from "../../support/wait.ts";
import type { BgpAnswer, BgpNodeOptions, BgpObjects, BgpOrder } from "./bgp-node.ts";
import type { RouterHost } from "./frr.ts";

/** What the routers of a lab have in common. */
export const ROUTER = { v4: "192.0.2.1", v6: "2001:db8:1::1", asn: 64512 } as const;
export const NODE_ASN = 64513;
/** Behind the router: the client, and routers that are a hop further from the nodes. */
export const FAR = "198.51.100.2";

export interface BgpNode {
  readonly name: string;
  readonly netns: string;
  readonly v4: string;
  readonly v6: string;
  readonly process: ChildProcess;
  start(): void;
  order(order: BgpOrder): Promise<BgpAnswer>;
  /** The state once `look` likes it. */
  until(what: string, look: (answer: BgpAnswer) => unknown, deadline?: number): Promise<BgpAnswer>;
  /** Ends the speaker in order. */
  stop(): Promise<void>;
  log(): string;
}

/** Nodes with a BGP speaker each on one network with a router, and a client behind the router. */
export interface BgpLab extends RouterHost, AsyncDisposable {
  readonly router: string;
  readonly client: string;
  readonly nodes: readonly BgpNode[];
  /** For routers that are a router away from the nodes: beside the client. */
  readonly far: RouterHost;
  inNode(node: BgpNode, program: string, ...args: readonly string[]): Promise<string>;
  inClient(program: string, ...args: readonly string[]): Promise<string>;
}

export interface BgpLabOptions {
  /** Distinguishes the namespaces from those of other labs. */
  readonly tag: string;
  readonly nodes: number;
  readonly objects: (nodes: readonly BgpHost[]) => Partial<BgpObjects>;
  readonly listenPort?: number;
  /** Prefixes of all pods, whose routes are exchanged with the peers; absent: they are not. */
  readonly clusterCidrs?: readonly string[];
}

export interface BgpHost {
  readonly name: string;
  readonly netns: string;
  readonly v4: string;
  readonly v6: string;
}

export async function startBgpLab(options: BgpLabOptions): Promise<BgpLab> {
  const tag = `bg-${options.tag}`;
  const prefix = netnsPrefix(tag);
  const directory = mkdtempSync(join(tmpdir(), "ib-bgp-"));
  await removeTopology(tag);
  const router = `${prefix}router`;
  const client = `${prefix}client`;
  const hosts = Array.from({ length: options.nodes }, (_, i) => ({
    name: `node${i + 1}`,
    netns: `${prefix}node${i + 1}`,
    v4: `192.0.2.${11 + i}`,
    v6: `2001:db8:1::${11 + i}`,
  }));
  await build(router, client, hosts);
  const children: ChildProcess[] = [];
  const inNetns = (netns: string, program: string, args: readonly string[]) =>
    exec("nsenter", [`--net=/run/netns/${netns}`, program, ...args]);

  const objects = { ...clusterOf(hosts), ...options.objects(hosts) };
  const { listenPort, clusterCidrs } = options;
  const more = { ...objects, ...(listenPort && { listenPort }), ...(clusterCidrs && { clusterCidrs }) };
  const nodes = hosts.map((host) => bgpNode(host, more, directory, children));
  const routerHost = (netns: string): RouterHost => ({
    directory,
    daemon: (program, ...args) => {
      const log = openSync(join(directory, `${program.split("/").at(-1)}.log`), "a");
      const inside = [`--net=/run/netns/${netns}`, program, ...args];
      // A real router shares its processor with nobody.
      const child = spawn("nice", ["-n", "-15", "nsenter", ...inside], { stdio: ["ignore", log, log] });
      children.push(child);
      return child;
    },
    inRouter: (program, ...args) => inNetns(netns, program, args),
  });
  return {
    ...routerHost(router),
    router,
    client,
    nodes,
    far: routerHost(client),
    inNode: ({ netns }, program, ...args) => inNetns(netns, program, args),
    inClient: (program, ...args) => inNetns(client, program, args),
    [Symbol.asyncDispose]: async () => {
      for (const child of [...children, ...nodes.map(({ process }) => process)]) await kill(child);
      await removeTopology(tag);
      rmSync(directory, { recursive: true });
    },
  };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

async function build(router: string, client: string, hosts: readonly BgpHost[]): Promise<void> {
  const batch = (netns: string, lines: readonly string[]) =>
    exec("ip", ["-n", netns, "-batch", "-"], { input: `${lines.join("\n")}\n` });
  for (const netns of [router, client, ...hosts.map((host) => host.netns)]) await exec("ip", ["netns", "add", netns]);
  const settings = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.accept_dad=0"];
  settings.push(
    "net.ipv6.conf.all.accept_dad=0",
    "net.ipv4.fib_multipath_hash_policy=1",
    "net.ipv4.conf.all.rp_filter=0",
  );
  for (const netns of [router, ...hosts.map((host) => host.netns)]) {
    await exec("nsenter", [`--net=/run/netns/${netns}`, "sysctl", "-qw", ...settings]);
  }
  await batch(router, [
    "link set dev lo up",
    // With an address of its own: else it has that of a port, and another one when that port is cut off.
    "link add name lan0 address 02:00:00:00:00:01 type bridge",
    `address add ${ROUTER.v4}/24 dev lan0`,
    `address add ${ROUTER.v6}/64 dev lan0 nodad`,
    "link set dev lan0 up",
    ...hosts.flatMap(({ name, netns }) => [
      `link add name ${name} type veth peer name eth0 netns ${netns}`,
      `link set dev ${name} master lan0`,
      `link set dev ${name} up`,
    ]),
    `link add name wan0 type veth peer name eth0 netns ${client}`,
    "address add 198.51.100.1/24 dev wan0",
    "link set dev wan0 up",
  ]);
  for (const { netns, v4, v6 } of hosts) {
    await batch(netns, [
      "link set dev lo up",
      "link set dev eth0 up",
      `address add ${v4}/24 dev eth0`,
      `address add ${v6}/64 dev eth0 nodad`,
      `route add default via ${ROUTER.v4}`,
    ]);
  }
  await batch(client, [
    "link set dev lo up",
    "link set dev eth0 up",
    `address add ${FAR}/24 dev eth0`,
    "route add default via 198.51.100.1",
  ]);
}

function bgpNode(
  host: BgpHost,
  objects: Omit<BgpNodeOptions, "node" | "stateDir">,
  directory: string,
  children: ChildProcess[],
): BgpNode {
  const logFile = join(directory, `${host.name}.log`);
  const argumentFile = join(directory, `${host.name}.json`);
  const start = () => {
    const argument: BgpNodeOptions = { node: host.name, stateDir: join(directory, `${host.name}.state`), ...objects };
    writeFileSync(argumentFile, JSON.stringify(argument));
    const log = openSync(logFile, "a");
    const script = join(import.meta.dirname, "bgp-node.ts");
    const args = [`--net=/run/netns/${host.netns}`, process.execPath, script, argumentFile];
    const child = spawn("nsenter", args, { stdio: ["ignore", log, log, "ipc"] });
    children.push(child);
    return child;
  };
  let child = start();
  const order = async (order: BgpOrder) => {
    const answered = once(child, "message");
    child.send(order);
    return (await answered)[0] as BgpAnswer;
  };
  return {
    ...host,
    get process() {
      return child;
    },
    start: () => {
      child = start();
    },
    order,
    until: (what, look, deadline = 15_000) => {
      let last: BgpAnswer | undefined;
      const once = async () => {
        last = await order({ kind: "tell" });
        return look(last) ? last : undefined;
      };
      return waitFor(`${what} on ${host.name}`, once, { deadline, every: 100 }).catch((error: Error) => {
        const log = readFileSync(logFile, "utf8").slice(-3000);
        throw new Error(`${error.message}; state ${JSON.stringify(last?.state)}; log ${log}`);
      });
    },
    stop: async () => {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
    log: () => readFileSync(logFile, "utf8"),
  };
}

/** A session is up, and the peer was told everything. */
export function isUp({ state }: BgpAnswer, peer = "router"): boolean {
  const status = state.peers[peer];
  return status?.phase === "established" && status.pending === 0;
}

export const NAMESPACE = "metallb-system";
/** Address of the Service `web` of both families. */
export const VIP = { v4: "203.0.113.10", v6: "2001:db8:ffff::10" } as const;

/** A peer as a user writes it. */
export function peerObject(spec: Partial<BGPPeer["spec"]> = {}, name = "router"): BGPPeer {
  return {
    metadata: { name, namespace: NAMESPACE },
    spec: { myASN: NODE_ASN, peerASN: ROUTER.asn, peerAddress: ROUTER.v4, ...spec } as BGPPeer["spec"],
  };
}

export function webService(
  more: Partial<NonNullable<V1Service["spec"]>> = {},
  ips: readonly string[] = [VIP.v4],
): V1Service {
  return {
    metadata: { name: "web", namespace: "default" },
    spec: { type: "LoadBalancer", ports: [{ port: 80 }], ...more },
    status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
  };
}

/** The Service `web` with an address of each family. */
export const DUAL = { services: [webService({}, [VIP.v4, VIP.v6])] } as const;

/** BFD that misses a peer within 150 ms. */
export const FAST: BFDProfile = {
  metadata: { name: "fast", namespace: NAMESPACE },
  spec: { transmitInterval: 50, receiveInterval: 50, detectMultiplier: 3 },
};

export function webSlice(nodes: readonly string[]): V1EndpointSlice {
  return {
    metadata: { name: "web-1", namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    endpoints: nodes.map((nodeName, i) => ({ nodeName, addresses: [`10.244.${i}.7`], conditions: { ready: true } })),
    ports: [{ port: 8080 }],
  };
}

/** The Node objects of a lab. */
export function clusterNodes(hosts: readonly BgpHost[]): V1Node[] {
  return hosts.map(({ name, v4, v6 }) => ({
    metadata: { name, labels: { "kubernetes.io/hostname": name } },
    status: { addresses: [v4, v6].map((address) => ({ type: "InternalIP", address })) },
  }));
}

function clusterOf(hosts: readonly BgpHost[]): BgpObjects {
  return {
    nodes: clusterNodes(hosts),
    services: [webService()],
    slices: [webSlice(hosts.map(({ name }) => name))],
    pools: [
      {
        metadata: { name: "pool", namespace: NAMESPACE },
        spec: { addresses: ["203.0.113.0/24", "2001:db8:ffff::/112"] },
      },
    ],
    bgpAdvertisements: [{ metadata: { name: "all", namespace: NAMESPACE }, spec: {} }],
    bgpPeers: [peerObject()],
    bfdProfiles: [],
    communities: [],
    secrets: [],
  };
}

export interface Web extends Disposable {
  /** @param node Its place in the list of nodes. */
  signal(node: number, signal: NodeJS.Signals): void;
}

/** A web server on every node that answers at the Service's addresses with the node's name. */
export async function startWeb(lab: BgpLab): Promise<Web> {
  const script = `require("http").createServer((_, r) => r.end(process.argv[1])).listen(80, "${VIP.v4}", () => console.log("up"))`;
  const servers: ChildProcess[] = [];
  for (const node of lab.nodes) {
    await lab.inNode(node, "ip", "address", "replace", `${VIP.v4}/32`, "dev", "lo");
    const args = [`--net=/run/netns/${node.netns}`, process.execPath, "-e", script, node.name];
    const server = spawn("nsenter", args, { stdio: ["ignore", "pipe", "inherit"] });
    await once(server.stdout, "data");
    servers.push(server);
  }
  return {
    signal: (node, signal) => void servers[node]?.kill(signal),
    [Symbol.dispose]: () => {
      for (const server of servers) server.kill("SIGKILL");
    },
  };
}

import { readdir } from "node:fs/promises";
import { IronbridgeError } from "../core/mod.ts";
import { exec } from "../linux/mod.ts";
import {
  CLIENT_ADDRESS,
  type IpFamilies,
  LAN_ADDRESS,
  LAN_PREFIX_LENGTH,
  LAN6_PREFIX_LENGTH,
  lan6Address,
  MAX_NODES,
  nodeAddress,
} from "./address-plan.ts";
import { pidsInNetns, signalProcess } from "./process-table.ts";

/** Where iproute2 keeps named network namespaces. */
const NETNS_DIRECTORY = "/run/netns";
/** The bridge inside the LAN's namespace. */
const BRIDGE = "lan0";

/** A host on the LAN: one network namespace with one interface, eth0. */
export interface LabHost {
  /** "node1", "client". */
  readonly name: string;
  /** Name of its network namespace. */
  readonly netns: string;
  readonly address: string;
  /** Absent on a LAN of IPv4 alone. */
  readonly ipv6?: string;
}

/** The machines and the cables of a lab. */
export interface Topology {
  /** The LAN itself: the bridge, and the namespace of what serves all nodes. */
  readonly lan: LabHost;
  readonly nodes: readonly LabHost[];
  readonly client: LabHost;
  /** Pulls the cable of a node: its eth0 loses carrier. */
  cutLink(name: string): Promise<void>;
  restoreLink(name: string): Promise<void>;
}

/** What the names of all network namespaces of a lab begin with. Labs of different tags do not meet. */
export function netnsPrefix(tag: string | undefined): string {
  return tag === undefined ? "ib-" : `ib-${tag}-`;
}

export function netnsPath(netns: string): string {
  return `${NETNS_DIRECTORY}/${netns}`;
}

/** The hosts of a lab, before anything is made. */
export function planTopology(
  tag: string | undefined,
  nodeCount: number,
  families: IpFamilies = "ipv4",
): { lan: LabHost; client: LabHost; nodes: LabHost[] } {
  if (!Number.isInteger(nodeCount) || nodeCount < 1 || nodeCount > MAX_NODES) {
    throw new IronbridgeError("IB_OPTION_INVALID", `a lab of ${nodeCount} nodes, want 1 to ${MAX_NODES}`);
  }
  if (tag !== undefined && !/^[a-z0-9]{1,16}$/.test(tag)) {
    throw new IronbridgeError("IB_OPTION_INVALID", `lab tag "${tag}", want 1 to 16 lower-case letters and digits`);
  }
  const host = (name: string, address: string): LabHost => ({
    name,
    netns: netnsPrefix(tag) + name,
    address,
    ...(families === "dual" && { ipv6: lan6Address(address) }),
  });
  return {
    lan: host("lan", LAN_ADDRESS),
    client: host("client", CLIENT_ADDRESS),
    nodes: Array.from({ length: nodeCount }, (_, i) => host(`node${i + 1}`, nodeAddress(i + 1))),
  };
}

/** Makes the namespaces, the bridge and the cables. What an earlier lab of the same tag left behind is removed first. */
export async function buildTopology(
  tag: string | undefined,
  nodeCount: number,
  families: IpFamilies = "ipv4",
): Promise<Topology> {
  const plan = planTopology(tag, nodeCount, families);
  const hosts = [...plan.nodes, plan.client];
  await removeTopology(tag);
  await runBatch(
    [],
    [plan.lan, ...hosts].map((host) => `netns add ${host.netns}`),
  );
  await runBatch(["-n", plan.lan.netns], lanCommands(plan.lan, hosts));
  await Promise.all(hosts.map((host) => runBatch(["-n", host.netns], hostCommands(host, plan.lan))));
  const setPort = (name: string, state: "up" | "down") =>
    runBatch(["-n", plan.lan.netns], [`link set dev ${name} ${state}`]);
  return {
    ...plan,
    cutLink: (name) => setPort(name, "down"),
    restoreLink: (name) => setPort(name, "up"),
  };
}

/**
 * Removes every namespace of the lab with this tag, and first kills whatever still runs inside. Works from the names
 * alone, so it also cleans up after a lab that was killed; no error when there is nothing.
 */
export async function removeTopology(tag: string | undefined): Promise<void> {
  const names = await labNetnsNames(tag);
  if (names.length === 0) return;
  // A process may have started another one while the list was read, so look until nothing is left.
  for (let round = 0; round < 10; round++) {
    const pids = await pidsInNetns(names.map(netnsPath));
    if (pids.length === 0) break;
    for (const pid of pids) signalProcess(pid, "SIGKILL");
  }
  try {
    await runBatch(
      ["-force"],
      names.map((name) => `netns del ${name}`),
    );
  } catch (error) {
    // A kubelet that was just ending a pod may have removed its namespace first.
    if ((await labNetnsNames(tag)).some((name) => names.includes(name))) throw error;
  }
}

/**
 * The names of the namespaces a lab with this tag has now, those included that others added to it. Without a tag: those
 * with a fixed name only.
 */
export async function labNetnsNames(tag: string | undefined): Promise<string[]> {
  // No lab has made a namespace on this machine yet when the directory is missing.
  const all = await readdir(NETNS_DIRECTORY).catch(() => []);
  const prefix = netnsPrefix(tag);
  return all.filter((name) => name.startsWith(prefix) && (tag !== undefined || isHostName(name.slice(prefix.length))));
}

/** A tag could look like the rest of a name without a tag, so without one only names a lab makes count. */
function isHostName(rest: string): boolean {
  return rest === "lan" || rest === "client" || /^node\d{1,2}$/.test(rest) || /^pod-[0-9a-f]{10}$/.test(rest);
}

function lanCommands(lan: LabHost, hosts: readonly LabHost[]): string[] {
  return [
    "link set dev lo up",
    `link add name ${BRIDGE} type bridge`,
    ...addressCommands(lan, BRIDGE),
    `link set dev ${BRIDGE} up`,
    ...hosts.flatMap((host) => [
      `link add name ${host.name} type veth peer name eth0 netns ${host.netns}`,
      `link set dev ${host.name} master ${BRIDGE}`,
      `link set dev ${host.name} up`,
    ]),
  ];
}

function hostCommands(host: LabHost, router: LabHost): string[] {
  return [
    "link set dev lo up",
    ...addressCommands(host, "eth0"),
    "link set dev eth0 up",
    `route add default via ${router.address}`,
    ...(router.ipv6 === undefined ? [] : [`route add default via ${router.ipv6}`]),
  ];
}

/** Nobody else can have the address, so nobody waits until the kernel has looked for another owner (nodad). */
function addressCommands({ address, ipv6 }: LabHost, device: string): string[] {
  return [
    `address add ${address}/${LAN_PREFIX_LENGTH} dev ${device}`,
    ...(ipv6 === undefined ? [] : [`address add ${ipv6}/${LAN6_PREFIX_LENGTH} dev ${device} nodad`]),
  ];
}

async function runBatch(args: readonly string[], commands: readonly string[]): Promise<void> {
  await exec("ip", [...args, "-batch", "-"], { input: `${commands.join("\n")}\n` });
}

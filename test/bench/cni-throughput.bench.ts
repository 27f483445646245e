import { basename, join } from "node:path";
import type { RoutingMode } from "../../config/mod.ts";
import { exec } from "../../linux/mod.ts";
import { type CniLab, callPlugin, createCniLab, nodeObject } from "../lab/support/cni-lab.ts";
import { waitFor } from "../support/wait.ts";
import type { Bench, Figure } from "./figure.ts";

const TAG = "cnit";
/** Seconds of each measurement; the best counts, since others use the machine too. */
const SECONDS = 2;
const ATTEMPTS = 7;

/** Where the CNI project's own plugins are. */
const REFERENCE = "/usr/lib/cni";

/** Where TCP starts and ends: names of namespaces, and the address of the end. */
interface Path {
  readonly from: string;
  readonly to: string;
  readonly address: string;
}

/** One line of the table. */
interface Case {
  readonly name: string;
  readonly path: Path;
  readonly peer: Path;
  /** What the peer is. */
  readonly of: string;
}

export const bench: Bench = {
  summary: "TCP from pod to pod, on one node and between nodes, beside the same links without a pod network",
  async run(progress) {
    const lab = await createCniLab(TAG);
    try {
      const bare = await makeBare(lab);
      const figures: Figure[] = [];
      for (const fastPath of [true, false]) {
        for (const routing of ["direct", "vxlan"] as const) {
          const { near, far } = await makePods(lab, { routing, fastPath });
          const how = fastPath ? "" : ", no short way";
          const cases: Case[] = [{ name: `two nodes, ${routing}${how}`, path: far, ...bare[routing] }];
          if (routing === "direct") {
            const one = { name: `one node${how}`, path: near };
            cases.unshift({ ...one, peer: bare.veth, of: "a bare veth pair" });
            cases.unshift({ ...one, peer: bare.reference, of: "reference plugin bridge" });
          }
          for (const each of cases) {
            progress(each.name);
            figures.push(await compare(each));
          }
          await Promise.all([lab.node1.kill(), lab.node2.kill()]);
        }
      }
      return figures;
    } finally {
      await lab.remove();
    }
  },
};

async function compare({ name, path, peer, of }: Case): Promise<Figure> {
  const [value, peerValue] = await best([path, peer]);
  const about = { bench: "cni-throughput", case: name, n: ATTEMPTS, metric: "TCP, one stream", unit: "Gbit/s" };
  return { ...about, value: value!, peer: `${of}, same run`, peerValue: peerValue! };
}

async function makePods(
  lab: CniLab,
  options: { readonly routing: RoutingMode; readonly fastPath: boolean },
): Promise<{ near: Path; far: Path }> {
  for (const node of [lab.node1, lab.node2])
    node.start([nodeObject(1), nodeObject(2)], { ...options, logLevel: "warn" });
  await Promise.all([lab.node1.whenReady(), lab.node2.whenReady()]);
  const [a, b, c] = await Promise.all([lab.addPod(), lab.addPod(), lab.addPod()]);
  const id = `${options.routing}-${options.fastPath}`;
  await lab.node1.add(`${id}-a`, a);
  const near = await lab.node1.add(`${id}-b`, b);
  const far = await lab.node2.add(`${id}-c`, c);
  const from = basename(a);
  return { near: { from, to: basename(b), address: near.ipv4 }, far: { from, to: basename(c), address: far.ipv4 } };
}

/** What the pods are compared with: links of the same kind, made by hand. */
async function makeBare(lab: CniLab) {
  const [a, b] = (await Promise.all([lab.addPod(), lab.addPod()])).map((path) => basename(path)) as [string, string];
  await exec("ip", ["-n", a, "link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", b]);
  for (const [netns, address] of [
    [a, "10.9.0.1/24"],
    [b, "10.9.0.2/24"],
  ] as const) {
    await exec("ip", ["-n", netns, "address", "add", address, "dev", "v0"]);
    await exec("ip", ["-n", netns, "link", "set", "v0", "up"]);
  }
  const veth: Path = { from: a, to: b, address: "10.9.0.2" };
  const nodes: Path = { from: lab.node1.netns, to: lab.node2.netns, address: "192.168.1.12" };
  return {
    veth,
    reference: await makeReference(lab),
    direct: { peer: nodes, of: "node to node" },
    vxlan: { peer: await makeFlannel(lab), of: "flannel's layout by hand" },
  };
}

/** Two pods of the CNI project's plugins on node 1, in whose namespace the bridge's frames pass the rules as ours do. */
async function makeReference(lab: CniLab): Promise<Path> {
  const dataDir = join(lab.node1.options.stateDir, "reference");
  const ipam = { type: "host-local", ranges: [[{ subnet: "10.251.0.0/24" }]], routes: [{ dst: "0.0.0.0/0" }], dataDir };
  const bridge = { type: "bridge", bridge: "ref0", isGateway: true, hairpinMode: true, ipam };
  const stdin = JSON.stringify({ cniVersion: "1.0.0", name: "reference", ...bridge });
  const add = async (containerId: string) => {
    const netns = await lab.addPod();
    const call = { command: "ADD", containerId, netns, path: REFERENCE };
    const args = ["netns", "exec", lab.node1.netns, join(REFERENCE, "bridge")];
    const { exit, stdout } = await callPlugin("ip", call, stdin, args);
    if (exit !== 0) throw new Error(`the reference plugin bridge: ${stdout}`);
    return { name: basename(netns), address: JSON.parse(stdout).ips[0].address.split("/")[0] as string };
  };
  const [a, b] = [await add("reference-a"), await add("reference-b")];
  return { from: a.name, to: b.name, address: b.address };
}

/** Bridge, veth pair, and a VXLAN with one neighbour, one forwarding entry and one route for the other node. */
async function makeFlannel(lab: CniLab): Promise<Path> {
  const mac = (number: number) => `02:00:00:00:fe:0${number}`;
  const pods: string[] = [];
  for (const [number, other] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const { netns } = number === 1 ? lab.node1 : lab.node2;
    const pod = basename(await lab.addPod());
    pods.push(pod);
    const script = `
link add fl0 type bridge
link set fl0 up
address add 10.250.${number}.1/24 dev fl0
link add flx type vxlan id 1 dev eth0 local 192.168.1.1${number} dstport 8473 nolearning
link set flx address ${mac(number)} mtu 1450 up
address add 10.250.${number}.0/32 dev flx
neigh add 10.250.${other}.0 lladdr ${mac(other)} dev flx nud permanent
route add 10.250.${other}.0/24 via 10.250.${other}.0 dev flx onlink
link add flv mtu 1450 type veth peer name eth0 mtu 1450 netns ${pod}
link set flv master fl0 up`;
    await exec("ip", ["-n", netns, "-batch", "-"], { input: script });
    await exec("bridge", ["-n", netns, "fdb", "append", mac(other), "dev", "flx", "dst", `192.168.1.1${other}`]);
    const inside = `address add 10.250.${number}.2/24 dev eth0\nlink set eth0 up\nroute add default via 10.250.${number}.1`;
    await exec("ip", ["-n", pod, "-batch", "-"], { input: inside });
    await exec("ip", ["netns", "exec", netns, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  }
  return { from: pods[0]!, to: pods[1]!, address: "10.250.2.2" };
}

/** Gigabits per second of each, measured in turn: others may use the machine meanwhile. */
async function best(paths: readonly Path[]): Promise<number[]> {
  const most = paths.map(() => 0);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    for (const [i, path] of paths.entries()) most[i] = Math.max(most[i]!, await measure(path));
  }
  return most.map((rate) => Math.round(rate * 100) / 100);
}

async function measure({ from, to, address }: Path): Promise<number> {
  const server = exec("ip", ["netns", "exec", to, "iperf3", "-s", "-1", "-p", "5999"]);
  const listens = async () => (await exec("ip", ["netns", "exec", to, "ss", "-Hltn"])).includes(":5999 ");
  await waitFor("iperf3 to listen", listens, { deadline: 10_000 });
  const client = ["iperf3", "-J", "-t", String(SECONDS), "-p", "5999", "-c", address];
  const { end } = JSON.parse(await exec("ip", ["netns", "exec", from, ...client]));
  await server;
  return end.sum_received.bits_per_second / 1e9;
}

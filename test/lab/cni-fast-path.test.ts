import { type ChildProcess, spawn } from "node:child_process";
import { basename } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { hostLinkName } from "../../cni/attachment.ts";
import { SO_RCVBUFFORCE } from "../../linux/libc.ts";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";

/** Octets of each transfer. */
const SIZE = 20e6;
vi.setConfig({ testTimeout: 60_000 }); // several starts and transfers each
let lab: CniLab;
let pods = 0;

beforeAll(async () => {
  lab = await createCniLab();
  for (const node of [lab.node1, lab.node2]) {
    await node.run("ip", "address", "add", `fd00:1::1${node.name.slice(-1)}/64`, "dev", "eth0", "nodad");
    await node.run("nft", COUNTER);
  }
});
afterEach(() => Promise.all([lab.node1.kill(), lab.node2.kill()]));
afterAll(() => lab.remove());

/** Sees what the node's rules see: octets of TCP that the node forwards, bridged or routed. */
const COUNTER =
  "table inet watch { counter seen { }; chain forward { type filter hook forward priority 0; meta l4proto tcp counter name seen; }; }";

const NODES = [1, 2].map((n) => nodeObject(n, undefined, [`192.168.1.1${n}`, `fd00:1::1${n}`]));

async function start(changes: { fastPath?: boolean; routing?: "direct" | "vxlan" } = {}): Promise<void> {
  for (const node of [lab.node1, lab.node2]) node.start(NODES, changes);
  await Promise.all([lab.node1.whenReady(), lab.node2.whenReady()]);
}

async function addPod(node: CniLab["node1"] = lab.node1, config: object = {}) {
  pods += 1;
  const netns = await lab.addPod();
  const containerId = `fast-${pods}`;
  const { ipv4, ipv6 } = await node.add(containerId, netns, config);
  return { name: basename(netns), port: hostLinkName({ containerId, ifname: "eth0" }), ipv4, ipv6 };
}

const inside = (netns: string, ...command: readonly string[]) => exec("ip", ["netns", "exec", netns, ...command]);

/** Sends SIZE octets from one namespace to another; how much of them the rules of node 1 saw: 0 to 1, or a little more. */
async function shareSeen(from: string, to: string, address: string): Promise<number> {
  const server = inside(to, "iperf3", "-s", "-1", "-p", "5201");
  const listens = async () => (await inside(to, "ss", "-Hltn")).includes(":5201 ");
  await waitFor("iperf3 to listen", listens, { deadline: 10_000 });
  await lab.node1.run("nft", "reset", "counter", "inet", "watch", "seen");
  const { end } = JSON.parse(await inside(from, "iperf3", "-J", "-n", String(SIZE), "-p", "5201", "-c", address));
  await server;
  const seen = /bytes (\d+)/.exec(await lab.node1.run("nft", "list", "counter", "inet", "watch", "seen"))?.[1];
  return Number(seen) / end.sum_received.bytes;
}

/** How many programs each of these links of node 1 has as filters, as `tc` lists them. */
async function filtersOf(...pods: readonly { readonly port: string }[]): Promise<number[]> {
  const list = ({ port }: { port: string }) => lab.node1.run("tc", "filter", "show", "dev", port, "ingress");
  return (await Promise.all(pods.map(list))).map((text) => text.match(/direct-action/g)?.length ?? 0);
}

/** The kernel's numbers for them, in words. */
async function programsOf({ port }: { readonly port: string }): Promise<string> {
  return (await lab.node1.run("tc", "filter", "show", "dev", port, "ingress")).match(/ id \d+/g)?.join() ?? "";
}

/** Sends numbered datagrams to an address from node 1, some thousands a second. */
function flood(to: string): ChildProcess {
  const script = `import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
number = 0
while True:
    s.sendto(b"%d" % number, ("${to}", 5000))
    number += 1
    time.sleep(0.0001)`;
  return spawn("ip", ["netns", "exec", lab.node1.netns, "python3", "-u", "-c", script]);
}

/** Receives them; says how many after each hundred, and which are missing after the first one that came. */
function countFlood(netns: string): ChildProcess {
  const script = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, ${SO_RCVBUFFORCE}, 1 << 25)
s.bind(("0.0.0.0", 5000))
print("listens")
count, last = 0, None
while True:
    number = int(s.recv(100))
    if last is not None and number != last + 1: print("lost", last + 1, "to", number - 1)
    count, last = count + 1, number
    if count % 100 == 0: print("received", count)`;
  return spawn("ip", ["netns", "exec", netns, "python3", "-u", "-c", script]);
}

/** The short way is open some moments after the pods are there: until then all is seen. */
async function expectShort(from: string, to: string, address: string): Promise<void> {
  const isReached = () => inside(from, "ping", "-c1", "-W1", address).then(() => true);
  await waitFor(`an answer of ${address}`, isReached, { deadline: 10_000 });
  const isShort = async () => (await shareSeen(from, to, address)) < 0.3;
  await waitFor(`the short way to ${address}`, isShort, { deadline: 10_000 });
}

describe("established connections take the short way", () => {
  test("between pods of one node, in both families", async () => {
    await start();
    const [a, b] = [await addPod(), await addPod()];
    await expectShort(a.name, b.name, b.ipv4);
    await expectShort(a.name, b.name, b.ipv6);
  });

  test.each(["direct", "vxlan"] as const)(
    "between pods of two nodes, routing %s, in both families",
    async (routing) => {
      await start({ routing });
      const [a, b] = [await addPod(), await addPod(lab.node2)];
      await expectShort(a.name, b.name, b.ipv4);
      await expectShort(a.name, b.name, b.ipv6);
    },
  );

  test("between pods of two nodes that know of each other by link-local addresses alone (RFC 8950)", async () => {
    for (const [node, other, number] of [
      [lab.node1, lab.node2, 2],
      [lab.node2, lab.node1, 1],
    ] as const) {
      const link = await other.run("ip", "-6", "address", "show", "dev", "eth0", "scope", "link");
      const way = { nextHop: /fe80::[0-9a-f:]+/.exec(link)?.[0] ?? "", device: "eth0" };
      const { podCIDRs = [] } = nodeObject(number).spec ?? {};
      node.start(NODES, { routing: "bgp", learned: podCIDRs.map((prefix) => ({ prefix, ...way })) });
    }
    await Promise.all([lab.node1.whenReady(), lab.node2.whenReady()]);
    const [a, b] = [await addPod(), await addPod(lab.node2)];
    await expectShort(a.name, b.name, b.ipv4);
    await expectShort(a.name, b.name, b.ipv6);
  });

  test("and end as all others: connection tracking sees it", async () => {
    await start();
    const [a, b] = [await addPod(), await addPod()];
    await expectShort(a.name, b.name, b.ipv4);
    const flows = await lab.node1.run("conntrack", "-L", "-p", "tcp", "-s", a.ipv4, "-d", b.ipv4);
    expect(flows).toContain("TIME_WAIT");
    expect(flows).not.toContain("ESTABLISHED");
  });
});

test("no packet to a new pod is lost when the short way opens for it", async () => {
  await start();
  const { port } = await addPod(); // gives the bridge a carrier
  const [address, mac, netns] = ["10.244.1.200", "0a:58:0a:f4:01:c8", await lab.addPod()];
  await lab.node1.run("ip", "neighbour", "replace", address, "lladdr", mac, "dev", "ironbr0", "nud", "permanent");
  const programs = [flood(address), countFlood(basename(netns))] as const;
  let heard = "";
  programs[1].stdout?.on("data", (text) => {
    heard += text;
  });
  try {
    await waitFor("the receiver", () => heard.startsWith("listens"), { deadline: 5000 });
    const sent = async () => Number(await lab.node1.run("cat", `/sys/class/net/${port}/statistics/tx_packets`));
    const before = await sent();
    await waitFor("the sender", async () => (await sent()) > before + 100, { deadline: 5000 });
    await lab.node1.add("flooded", netns, { runtimeConfig: { ips: [`${address}/24`] } });
    const pod = { port: hostLinkName({ containerId: "flooded", ifname: "eth0" }) };
    await waitFor("the short way", async () => (await filtersOf(pod))[0] === 1, { deadline: 5000 });
    const lines = heard.length;
    await waitFor("more to come", () => heard.slice(lines).split("received").length > 3, { deadline: 5000 });
    expect(heard).not.toContain("lost");
  } finally {
    for (const program of programs) program.kill();
  }
});

describe("the ordinary way is for", () => {
  test("connections that the rules translate", async () => {
    await start();
    const [a, b] = [await addPod(), await addPod()];
    await expectShort(a.name, b.name, b.ipv4);
    const chain = "chain translate { type nat hook prerouting priority dstnat; ip daddr 10.96.0.9 dnat to";
    await lab.node1.run("nft", `table ip service { ${chain} ${b.ipv4}; }; }`);
    expect(await shareSeen(a.name, b.name, "10.96.0.9")).toBeGreaterThan(0.95);
    await lab.node1.run("nft", "delete", "table", "ip", "service");
  });

  test("pods whose rate is limited, in that direction", async () => {
    await start();
    const bandwidth = { ingressRate: 1e9, ingressBurst: 1e9 };
    const [a, b] = [await addPod(), await addPod(lab.node1, { runtimeConfig: { bandwidth } })];
    await expectShort(b.name, a.name, a.ipv4);
    expect(await shareSeen(a.name, b.name, b.ipv4)).toBeGreaterThan(0.95);
    const sends = await addPod(lab.node1, { runtimeConfig: { bandwidth: { egressRate: 1e9, egressBurst: 1e9 } } });
    await expectShort(a.name, sends.name, sends.ipv4);
    expect(await shareSeen(sends.name, a.name, a.ipv4)).toBeGreaterThan(0.95);
    expect(await filtersOf(a, b, sends)).toEqual([1, 1, 0]);
  });

  test("everything when it is switched off, also for pods that had the short way", async () => {
    await start();
    const [a, b] = [await addPod(), await addPod()];
    await expectShort(a.name, b.name, b.ipv4);
    await Promise.all([lab.node1.stop(), lab.node2.stop()]);
    expect(await shareSeen(a.name, b.name, b.ipv4)).toBeLessThan(0.3);
    await start({ fastPath: false });
    const isGone = async () => (await filtersOf(a, b)).join() === "0,0";
    await waitFor("the programs of the earlier run to go", isGone, { deadline: 10_000 });
    expect(await shareSeen(a.name, b.name, b.ipv4)).toBeGreaterThan(0.95);
  });
});

test("connections go on by the short way when the agent dies and when it is back", async () => {
  await start();
  const [a, b] = [await addPod(), await addPod()];
  await expectShort(a.name, b.name, b.ipv4);
  const server = inside(b.name, "iperf3", "-s", "-1", "-p", "5202");
  const listens = async () => (await inside(b.name, "ss", "-Hltn")).includes(":5202 ");
  await waitFor("iperf3 to listen", listens, { deadline: 10_000 });
  const client = inside(a.name, "iperf3", "-J", "-t", "6", "-b", "200M", "-i", "0.5", "-p", "5202", "-c", b.ipv4);
  await waitFor("the connection", async () => (await inside(a.name, "ss", "-Htn")).includes(":5202"), {
    deadline: 5000,
  });
  await lab.node1.kill();
  expect(await shareSeen(a.name, b.name, b.ipv4)).toBeLessThan(0.3);
  const before = await programsOf(a);
  lab.node1.start([nodeObject(1)]);
  await lab.node1.whenReady();
  const isReplaced = async () => (await programsOf(a)) !== before;
  await waitFor("the new agent's program", isReplaced, { deadline: 5000 });
  expect(await filtersOf(a, b)).toEqual([1, 1]);
  expect(await shareSeen(a.name, b.name, b.ipv4)).toBeLessThan(0.3);
  const { intervals } = JSON.parse(await client);
  await server;
  for (const { sum } of intervals.slice(0, -1)) expect(sum.bits_per_second).toBeGreaterThan(20e6);
});

test("a connection that connection tracking is told to forget meets the rules again", async () => {
  await start();
  const [a, b] = [await addPod(), await addPod()];
  await expectShort(a.name, b.name, b.ipv4);
  const limits = ["timeout", "10"] as const;
  const server = inside(b.name, ...limits, "iperf3", "-s", "-1", "-p", "5203");
  const listens = async () => (await inside(b.name, "ss", "-Hltn")).includes(":5203 ");
  await waitFor("iperf3 to listen", listens, { deadline: 10_000 });
  const client = inside(a.name, ...limits, "iperf3", "-t", "9", "-b", "100M", "-p", "5203", "-c", b.ipv4);
  const received = async () =>
    JSON.parse(await inside(b.name, "ip", "-s", "-j", "link", "show", "eth0"))[0].stats64.rx.bytes;
  const flows = async () => {
    const before = await received();
    await pause(300);
    return (await received()) - before > 1e6;
  };
  await waitFor("the transfer", flows, { deadline: 5000 });
  const chain = "chain block { type filter hook forward priority 1; tcp dport 5203 drop; }";
  await lab.node1.run("nft", `table inet watch { ${chain}; }`);
  expect(await flows()).toBe(true);
  await lab.node1.run("conntrack", "-D", "-p", "tcp", "--dport", "5203");
  await waitFor("the transfer to end", async () => !(await flows()), { deadline: 5000 });
  await lab.node1.run("nft", "delete", "chain", "inet", "watch", "block");
  await Promise.allSettled([client, server]);
});

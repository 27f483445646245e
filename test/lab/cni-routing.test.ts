import type { Server } from "node:http";
import { basename } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { RoutingMode } from "../../config/mod.ts";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { askFrom, listenIn } from "./support/http.ts";

let lab: CniLab;
let servers: Server[] = [];

beforeAll(async () => {
  lab = await createCniLab();
  for (const [node, number] of [
    [lab.node1, 1],
    [lab.node2, 2],
  ] as const) {
    await node.run("ip", "address", "add", `fd00:1::1${number}/64`, "dev", "eth0", "nodad");
  }
  await exec("ip", ["-n", basename(lab.outside), "address", "add", "fd00:1::10/64", "dev", "eth0", "nodad"]);
  // Links that are new look for others with their link-local addresses first, and ask nobody for a neighbour meanwhile.
  for (const netns of [lab.node1.netns, lab.node2.netns, basename(lab.outside)]) {
    const tentative = () => exec("ip", ["-n", netns, "-6", "address", "show", "tentative"]);
    await waitFor("link-local addresses", async () => (await tentative()) === "", { deadline: 10_000 });
  }
});
afterEach(async () => {
  for (const server of servers) server.close();
  servers = [];
  await Promise.all([lab.node1.kill(), lab.node2.kill()]);
});
afterAll(() => lab.remove());

const object = (number: number) => nodeObject(number, undefined, [`192.168.1.1${number}`, `fd00:1::1${number}`]);

async function start(routing: RoutingMode): Promise<void> {
  for (const node of [lab.node1, lab.node2]) node.start([object(1), object(2)], { routing });
  await Promise.all([lab.node1.whenReady(), lab.node2.whenReady()]);
}

/** Counts packets that come into a namespace, of any protocol: those from `own` addresses and those from others of `all`. */
async function countFrom(netns: string, own: readonly string[], all: readonly string[]): Promise<void> {
  const sets = [own, all].flatMap((addresses, i) =>
    ["ip", "ip6"].map((family) => {
      const members = addresses.filter((address) => address.includes(":") === (family === "ip6")).join(", ");
      return `${family} saddr { ${members} } counter name ${i === 0 ? "own accept" : "others"};`;
    }),
  );
  // Neighbours and routers talk on a link, whatever pods do; so do bridges that listen for groups, once they have a carrier.
  const others = "icmpv6 type 133-137 accept; ip protocol igmp accept;";
  const chain = `type filter hook prerouting priority raw; ${others} ${sets.join(" ")}`;
  const table = `counter own { }; counter others { }; chain count { ${chain} };`;
  await exec("ip", ["netns", "exec", basename(netns), "nft", `table inet count { ${table} }`]);
}

async function counted(netns: string): Promise<{ own: number; others: number }> {
  const text = await exec("ip", ["netns", "exec", basename(netns), "nft", "-j", "list", "counters"]);
  const counters: { counter?: { name: string; packets: number } }[] = JSON.parse(text).nftables;
  const packets = (name: string) => counters.find(({ counter }) => counter?.name === name)?.counter?.packets ?? -1;
  return { own: packets("own"), others: packets("others") };
}

const modes: { routing: RoutingMode; way: string; mtu: number }[] = [
  { routing: "vxlan", way: "via 10.244.2.0 dev ironvx0", mtu: 1450 },
  { routing: "cross-subnet", way: "via 192.168.1.12 dev eth0", mtu: 1450 },
  { routing: "direct", way: "via 192.168.1.12 dev eth0", mtu: 1500 },
];

describe.each(modes)("mode $routing", ({ routing, way, mtu }) => {
  test("pods, nodes and the outside reach each other, each family with the right address", {
    timeout: 60_000,
  }, async () => {
    await start(routing);
    const id = (name: string) => `${routing}-${name}`;
    const [a, b] = await Promise.all([lab.addPod(), lab.addPod()]);
    const [podA, podB] = [await lab.node1.add(id("a"), a), await lab.node2.add(id("b"), b)];
    servers.push(listenIn(a, 8080), listenIn(b, 8080), listenIn(lab.outside, 8080));
    servers.push(listenIn(`/run/netns/${lab.node2.netns}`, 9090));
    await waitFor("the route", async () => (await lab.node1.run("ip", "route")).includes(`10.244.2.0/24 ${way}`), {
      deadline: 5000,
    });
    // Without the ways back an answer's first packet would bring an error of the node, which is no pod's packet.
    const ways = [
      [lab.node1, "-6", "fd00:244:2:"],
      [lab.node2, "-4", "10.244.1.0/24"],
      [lab.node2, "-6", "fd00:244:1:"],
    ] as const;
    for (const [node, family, prefix] of ways) {
      const known = async () => (await node.run("ip", family, "route")).includes(prefix);
      await waitFor(`a route to ${prefix}`, known, { deadline: 5000 });
    }
    const node1 = `/run/netns/${lab.node1.netns}`;
    await countFrom(b, [podA.ipv4, podA.ipv6], ["0.0.0.0/0", "fd00::/8"]);
    await countFrom(lab.outside, ["192.168.1.11", "fd00:1::11"], ["10.244.0.0/16", "fd00:244::/32"]);
    expect(await askFrom(a, podB.ipv4, 8080)).toBe(podA.ipv4);
    expect(await askFrom(b, podA.ipv4, 8080)).toBe(podB.ipv4);
    expect(await askFrom(a, podB.ipv6, 8080)).toBe(podA.ipv6);
    expect(await askFrom(b, podA.ipv6, 8080)).toBe(podB.ipv6);
    const echo = (to: string, ...options: readonly string[]) =>
      exec("ip", ["netns", "exec", basename(a), "ping", "-c1", "-W1", ...options, to]);
    for (const address of [podB.ipv4, podB.ipv6, "192.168.1.10", "fd00:1::10"]) await echo(address);
    expect(await counted(b)).toEqual({ own: expect.toSatisfy((packets: number) => packets > 8), others: 0 });
    expect(await askFrom(node1, podB.ipv4, 8080)).toMatch(/^(192\.168\.1\.11|10\.244\.1\.0)$/);
    expect(await askFrom(node1, podB.ipv6, 8080)).not.toBe("");
    expect(await askFrom(a, "192.168.1.12", 9090)).toMatch(/^(192\.168\.1\.11|10\.244\.1\.2)$/);
    expect(await askFrom(a, "192.168.1.10", 8080)).toBe("192.168.1.11");
    expect(await askFrom(a, "fd00:1::10", 8080)).toBe("fd00:1::11");
    expect(await counted(lab.outside)).toEqual({ own: expect.toSatisfy((packets: number) => packets > 8), others: 0 });
    await exec("ip", ["netns", "exec", basename(lab.outside), "nft", "delete", "table", "inet", "count"]);
    // The largest packet passes whole, and both ends agree on it.
    await echo(podB.ipv4, "-Mdo", "-s", String(mtu - 28));
    await echo(podB.ipv6, "-Mdo", "-s", String(mtu - 48));
    for (const [node, name] of [
      [lab.node1, id("a")],
      [lab.node2, id("b")],
    ] as const) {
      await node.call({ command: "DEL", containerId: name });
    }
  });
});

test("a change of mode takes the tunnel and its routes away, and the way back brings them", async () => {
  await start("vxlan");
  expect(await lab.node1.run("ip", "-d", "link", "show", "ironvx0")).toMatch(/vxlan id 7373 .*nolearning/);
  await lab.node1.kill();
  lab.node1.start([object(1), object(2)], { routing: "direct" });
  await waitFor("the direct route", async () => (await lab.node1.run("ip", "route")).includes("via 192.168.1.12"), {
    deadline: 5000,
  });
  expect(await lab.node1.run("ip", "-br", "link")).not.toContain("ironvx0");
  await lab.node1.kill();
  lab.node1.start([object(1), object(2)], { routing: "vxlan" });
  for (const family of ["-4", "-6"]) {
    const tunnelled = async () => /^\S+ via \S+ dev ironvx0 proto 73/m.test(await lab.node1.run("ip", family, "route"));
    await waitFor(`the IP${family} route into the tunnel`, tunnelled, { deadline: 5000 });
  }
});

test("the tunnel heals: the device, its MAC address, its peers", async () => {
  await start("vxlan");
  const [a, b] = await Promise.all([lab.addPod(), lab.addPod()]);
  const [podA, podB] = [await lab.node1.add("heal-a", a), await lab.node2.add("heal-b", b)];
  servers.push(listenIn(b, 8080));
  const reached = async () => (await askFrom(a, podB.ipv4, 8080)) === podA.ipv4;
  for (const damage of [
    ["ip", "link", "del", "ironvx0"],
    ["ip", "link", "set", "ironvx0", "address", "02:00:00:00:00:77"],
    ["ip", "link", "set", "ironvx0", "down"],
  ]) {
    await lab.node1.run(...damage);
    await waitFor(`healing of ${damage.join(" ")}`, reached, { deadline: 5000 });
  }
});

test("pods follow the MTU of the node's interface", async () => {
  await start("vxlan");
  const a = await lab.addPod();
  await lab.node1.add("mtu", a);
  const mtuOf = async (netns: string, name: string) =>
    JSON.parse(await exec("ip", ["-n", netns, "-j", "link", "show", name]))[0].mtu;
  await lab.node1.run("ip", "link", "set", "eth0", "mtu", "1400");
  await waitFor("the pod's MTU", async () => (await mtuOf(basename(a), "eth0")) === 1350, { deadline: 5000 });
  expect(await mtuOf(lab.node1.netns, "ironbr0")).toBe(1350);
  await lab.node1.run("ip", "link", "set", "eth0", "mtu", "1500");
  await waitFor("the pod's MTU", async () => (await mtuOf(basename(a), "eth0")) === 1450, { deadline: 5000 });
});

test("pods reach prefixes that are not masqueraded with their own address, and all else with the node's", async () => {
  const outside = (...command: readonly string[]) => exec("ip", ["-n", basename(lab.outside), ...command]);
  for (const [pods, node] of [
    ["10.244.1.0/24", "192.168.1.11"],
    ["fd00:244:1::/64", "fd00:1::11"],
  ] as const) {
    await outside("route", "add", pods, "via", node);
  }
  await outside("address", "add", "192.168.1.9/24", "dev", "eth0");
  lab.node1.start([object(1), object(2)], { nonMasqueradeCidrs: ["192.168.1.10/32", "fd00:1::10/128"] });
  await lab.node1.whenReady();
  const pod = await lab.addPod();
  const { ipv4, ipv6 } = await lab.node1.add("native", pod);
  servers.push(listenIn(lab.outside, 8080));
  expect(await askFrom(pod, "192.168.1.10", 8080)).toBe(ipv4);
  expect(await askFrom(pod, "fd00:1::10", 8080)).toBe(ipv6);
  expect(await askFrom(pod, "192.168.1.9", 8080)).toBe("192.168.1.11");
});

import { basename } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { askFrom, listenIn } from "./support/http.ts";

/** The nodes' addresses and their router's, each node in a subnet of its own. */
const UNDERLAYS = {
  ipv4: { nodes: ["192.168.1.11", "192.168.2.12"], routers: ["192.168.1.1", "192.168.2.1"], length: 24 },
  ipv6: { nodes: ["fd00:1::11", "fd00:2::12"], routers: ["fd00:1::1", "fd00:2::1"], length: 64 },
} as const;
/** A node that is not there, beside node 1. */
const NEAR = { ipv4: "192.168.1.13", ipv6: "fd00:1::13" } as const;
let lab: CniLab;
/** Namespace of the router between the subnets. */
let router = "";

beforeAll(async () => {
  lab = await createCniLab();
  router = lab.node1.netns.replace("node1", "lan");
  const inRouter = (...command: readonly string[]) => exec("ip", ["netns", "exec", router, ...command]);
  await inRouter("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1");
  await lab.node2.run("ip", "address", "flush", "dev", "eth0");
  for (const { nodes, routers, length } of Object.values(UNDERLAYS)) {
    for (const [i, node] of [lab.node1, lab.node2].entries()) {
      await inRouter("ip", "address", "replace", `${routers[i]}/${length}`, "dev", "lan0", "nodad");
      await node.run("ip", "address", "replace", `${nodes[i]}/${length}`, "dev", "eth0", "nodad");
      await node.run("ip", "route", "replace", "default", "via", routers[i]!);
    }
  }
});
afterEach(async () => {
  await Promise.all([lab.node1.kill(), lab.node2.kill()]);
  await exec("ip", ["netns", "exec", router, "nft", "delete", "table", "inet", "count"]);
});
afterAll(() => lab.remove());

/** Counts what the router forwards: tunnelled to the port, and of pods as it is. */
async function countForwarded(port: number): Promise<void> {
  const rules = [
    `udp dport ${port} counter name tunnelled`,
    "ip saddr 10.244.0.0/16 counter name bare",
    "ip6 saddr fd00:244::/32 counter name bare",
  ];
  const chain = `type filter hook forward priority 0; ${rules.join("; ")};`;
  const table = `table inet count { counter tunnelled { }; counter bare { }; chain count { ${chain} }; }`;
  await exec("ip", ["netns", "exec", router, "nft", table]);
}

async function forwarded(): Promise<Record<string, number>> {
  const text = await exec("ip", ["netns", "exec", router, "nft", "-j", "list", "counters"]);
  const found: { counter?: { name: string; packets: number } }[] = JSON.parse(text).nftables;
  return Object.fromEntries(found.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])));
}

describe("mode cross-subnet between two subnets", () => {
  const cases = [
    { family: "ipv4", tunnelPort: 4789, mtu: 1450 },
    { family: "ipv6", tunnelPort: 8472, mtu: 1430 },
  ] as const;
  test.each(cases)(
    "over $family and port $tunnelPort: the tunnel to the far node, a route to the near one",
    {
      timeout: 60_000,
    },
    async ({ family, tunnelPort, mtu }) => {
      await countForwarded(tunnelPort);
      const [first, second] = UNDERLAYS[family].nodes;
      const nodes = [first, second, NEAR[family]].map((address, i) => nodeObject(i + 1, undefined, [address]));
      for (const node of [lab.node1, lab.node2])
        node.start(nodes, { routing: "cross-subnet", tunnelPort, clusterCidrs: [] });
      await Promise.all([lab.node1.whenReady(), lab.node2.whenReady()]);
      const [a, b] = await Promise.all([lab.addPod(), lab.addPod()]);
      const [podA, podB] = [await lab.node1.add(`${family}-a`, a), await lab.node2.add(`${family}-b`, b)];
      const servers = [listenIn(a, 8080), listenIn(b, 8080)];
      try {
        const reached = () => askFrom(a, podB.ipv6, 8080).catch(() => undefined);
        await waitFor("the ways of both nodes", async () => (await reached()) === podA.ipv6, { deadline: 10_000 });
        for (const version of ["ipv4", "ipv6"] as const) {
          expect(await askFrom(a, podB[version], 8080)).toBe(podA[version]);
          expect(await askFrom(b, podA[version], 8080)).toBe(podB[version]);
          const whole = String(mtu - (version === "ipv4" ? 28 : 48));
          await exec("ip", ["netns", "exec", basename(a), "ping", "-c1", "-W1", "-Mdo", "-s", whole, podB[version]]);
        }
      } finally {
        for (const server of servers) server.close();
      }
      const ways = (await lab.node1.run("ip", "route")) + (await lab.node1.run("ip", "-6", "route"));
      expect(ways).toMatch(/10\.244\.2\.0\/24 via 10\.244\.2\.0 dev ironvx0 proto 73/);
      expect(ways).toMatch(/fd00:244:2::\/64 via fd00:244:2:: dev ironvx0 proto 73/);
      // The near node has an address of one family; pods of the other are reached in the tunnel.
      const near =
        family === "ipv4"
          ? ["10.244.3.0/24 via 192.168.1.13 dev eth0", "fd00:244:3::/64 via fd00:244:3:: dev ironvx0"]
          : ["fd00:244:3::/64 via fd00:1::13 dev eth0", "10.244.3.0/24 via 10.244.3.0 dev ironvx0"];
      for (const way of near) expect(ways).toContain(`${way} proto 73`);
      expect(await forwarded()).toEqual({ tunnelled: expect.toSatisfy((packets: number) => packets > 20), bare: 0 });
    },
  );
});

import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { type BgpLab, type BgpNode, isUp, NODE_ASN, peerObject, startBgpLab } from "./support/bgp-lab.ts";
import { type Frr, startFrr } from "./support/frr.ts";

/** Two nodes tell each other of their pods through FRR, a route reflector of their autonomous system. */
const DEADLINE = { deadline: 20_000 };
const CLUSTER = ["10.244.0.0/16", "2001:db8:244::/48"];
const podsOf = (number: number) => [`10.244.${number}.0/24`, `2001:db8:244:${number}::/64`];
let lab: BgpLab;
let frr: Frr;
let first: BgpNode;
let second: BgpNode;

beforeAll(async () => {
  lab = await startBgpLab({
    tag: "pods",
    nodes: 2,
    clusterCidrs: CLUSTER,
    objects: (hosts) => ({
      nodes: hosts.map(({ name, v4 }, i) => ({
        metadata: { name },
        spec: { podCIDRs: podsOf(i + 1) },
        status: { addresses: [{ type: "InternalIP", address: v4 }] },
      })),
      bgpPeers: [peerObject({ peerASN: NODE_ASN, dualStackAddressFamily: true, enableGracefulRestart: true })],
    }),
  });
  [first, second] = lab.nodes as [BgpNode, BgpNode];
  const clients = (...lines: readonly string[]) =>
    lab.nodes.flatMap(({ v4 }) => lines.map((line) => `  neighbor ${v4} ${line}`));
  frr = await startFrr(lab, [
    `router bgp ${NODE_ASN}`,
    " bgp router-id 192.0.2.1",
    " bgp graceful-restart",
    " bgp graceful-restart preserve-fw-state",
    " no bgp network import-check",
    ...clients(`remote-as ${NODE_ASN}`, "timers connect 1"),
    " address-family ipv4 unicast",
    "  network 10.99.0.0/16",
    "  network 10.244.1.128/25",
    "  network 10.244.9.0/24",
    ...clients("route-reflector-client"),
    " exit-address-family",
    " address-family ipv6 unicast",
    ...clients("activate", "route-reflector-client"),
    " exit-address-family",
  ]);
  for (const node of lab.nodes) await node.until("a session", (answer) => isUp(answer), 30_000);
}, 90_000);
afterAll(() => lab?.[Symbol.asyncDispose]());

/** Destinations and gateways of the routes that the node has from its peers. */
async function routes(node: BgpNode): Promise<string[]> {
  const lines = [
    ...(await lab.inNode(node, "ip", "-4", "route", "show", "proto", "73")).split("\n"),
    ...(await lab.inNode(node, "ip", "-6", "route", "show", "proto", "73")).split("\n"),
  ];
  return lines.filter((line) => line !== "").map((line) => line.split(" ").slice(0, 3).join(" "));
}

const there = (node: BgpNode, route: string) =>
  waitFor(`${route} on ${node.name}`, async () => (await routes(node)).includes(route), DEADLINE);

describe("startBgp() with pods to tell of", () => {
  test("gives each node the ways to the other's pods, both families, by the node's own address", async () => {
    for (const [node, other, pods] of [
      [first, second, podsOf(2)],
      [second, first, podsOf(1)],
    ] as const) {
      await there(node, `${pods[0]} via ${other.v4}`);
      await there(node, `${pods[1]} via ${other.v6}`);
    }
    await lab.inNode(first, "ip", "address", "add", "10.244.1.1/32", "dev", "lo");
    await lab.inNode(second, "ip", "address", "add", "10.244.2.1/32", "dev", "lo");
    await lab.inNode(first, "ping", "-c", "1", "-W", "2", "-I", "10.244.1.1", "10.244.2.1");
  });

  test("takes nothing outside of the cluster's prefixes, and no way to the node's own pods", async () => {
    await there(first, "10.244.9.0/24 via 192.0.2.1");
    await there(second, "10.244.1.128/25 via 192.0.2.1");
    const all = (await routes(first)).join("\n");
    expect(all).not.toContain("10.99");
    expect(all).not.toContain("10.244.1.");
  });

  test("removes a way that is withdrawn", async () => {
    await frr.text(
      "configure terminal",
      `router bgp ${NODE_ASN}`,
      "address-family ipv4 unicast",
      "no network 10.244.9.0/24",
    );
    await waitFor("no way", async () => !(await routes(first)).join().includes("10.244.9."), DEADLINE);
  });

  test("keeps the ways while the agent restarts", async () => {
    using ways = await watchWays(first);
    await first.stop();
    first.start();
    await toldAll(40_000);
    expect(ways.removed()).toEqual([]);
  }, 60_000);

  test("keeps the ways while the reflector restarts", async () => {
    using ways = await watchWays(first);
    await frr.restartBgpd();
    await first.until("the session lost", ({ state }) => (state.peers.router?.losses ?? 0) > 0, 30_000);
    await toldAll(40_000);
    expect(ways.removed()).toEqual([]);
  }, 60_000);

  test("drops the ways at a hard reset, and has them again", async () => {
    using ways = await watchWays(first);
    await frr.text("clear bgp *");
    await waitFor("the routes' end", () => ways.removed().some((line) => line.includes("10.244.2.0/24")), DEADLINE);
    await there(first, `10.244.2.0/24 via ${second.v4}`);
  }, 60_000);
});

/** Waits until FRR knows the routes of both nodes and has told them all that it knows. */
async function toldAll(deadline: number): Promise<void> {
  for (const node of lab.nodes) await node.until("a session", (answer) => isUp(answer), deadline);
  const look = async () => {
    const known = JSON.stringify(await frr.show("show bgp ipv4 unicast"));
    const shown = await frr.show(`show bgp ipv4 unicast neighbors ${first.v4} advertised-routes`);
    return known.includes(podsOf(1)[0] ?? "") && JSON.stringify(shown).includes(podsOf(2)[0] ?? "");
  };
  await waitFor("all to be told", look, DEADLINE);
}

/** Hears from the kernel which routes a node loses. */
async function watchWays(node: BgpNode): Promise<Disposable & { removed(): readonly string[] }> {
  const args = [`--net=/run/netns/${node.netns}`, "ip", "monitor", "route"];
  const monitor = spawn("nsenter", args, { stdio: ["ignore", "pipe", "inherit"] });
  let heard = "";
  monitor.stdout.setEncoding("utf8").on("data", (text: string) => {
    heard += text;
  });
  await waitFor(
    "the monitor to hear",
    async () => {
      await lab.inNode(node, "ip", "route", "replace", "blackhole", "198.18.0.1");
      await lab.inNode(node, "ip", "route", "delete", "blackhole", "198.18.0.1");
      return heard.includes("198.18.0.1");
    },
    DEADLINE,
  );
  return {
    removed: () => heard.split("\n").filter((line) => /^Deleted .* proto 73/.test(line)),
    [Symbol.dispose]: () => void monitor.kill(),
  };
}

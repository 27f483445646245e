import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lan6Address } from "../../lab/address-plan.ts";
import type { LabNode } from "../../lab/mod.ts";
import { hostOf } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";
import { type BgpCluster, startBgpCluster } from "./support/bgp-cluster.ts";
import { WEB_ADDRESSES } from "./support/dual-stack-web.ts";

/** The whole path behind FRR: whose kernel spreads a client's connections over the nodes that announce. */
const DEADLINE = { deadline: 20_000 };
/** The address of the Service "web" in each family, and that of a node. */
const CASES = [
  { family: "IPv4", flag: "-4", address: WEB_ADDRESSES[0], gatewayOf: ({ ip }: LabNode) => ip },
  { family: "IPv6", flag: "-6", address: WEB_ADDRESSES[1], gatewayOf: ({ ip }: LabNode) => lan6Address(ip) },
] as const;
type Case = (typeof CASES)[number];
let cluster: BgpCluster;

beforeAll(async () => {
  cluster = await startBgpCluster({ nodes: 3, families: "dual" });
  await cluster.lab.kubectl(["rollout", "status", "deployment", "web", "--timeout=30s"]);
}, 90_000);
afterAll(() => cluster?.[Symbol.asyncDispose]());

/** The nodes that FRR's kernel sends the address' packets to. */
async function ways({ flag, address, gatewayOf }: Case): Promise<string[]> {
  const route = await cluster.inRouter("ip", flag, "route", "show", address);
  return cluster.lab.nodes.filter((node) => route.includes(`via ${gatewayOf(node)} `)).map(({ name }) => name);
}

/** New connections to the Service that each node has forwarded so far. */
async function forwarded(): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const node of cluster.lab.nodes) {
    const { stdout } = await node.exec("curl", ["-sf", "http://127.0.0.1:10249/metrics"]);
    const line = /^ironbridge_proxy_service_connections_total\{[^}]*service="web"[^}]*\} (\d+)$/m.exec(stdout);
    counts.set(node.name, Number(line?.[1] ?? 0));
  }
  return counts;
}

/** Asks `count` times from behind the router: the nodes that the questions came in by. */
async function nodesMet({ address }: Case, count: number): Promise<string[]> {
  const before = await forwarded();
  for (let i = 0; i < count; i++) {
    const answer = await cluster.inClient("curl", "-sS", "--max-time", "2", `http://${hostOf(address)}/`);
    expect(answer).toMatch(/^web, answered by pod /);
  }
  const after = await forwarded();
  return [...after].filter(([name, value]) => value > (before.get(name) ?? 0)).map(([name]) => name);
}

describe("a client behind FRR", () => {
  test.each(CASES)(
    "reaches a Service through all nodes, $family",
    async (each) => {
      await waitFor("ways through all nodes", async () => (await ways(each)).length === 3, DEADLINE);
      expect(await nodesMet(each, 60)).toEqual(["node1", "node2", "node3"]);
    },
    60_000,
  );
});

describe("a client behind FRR, when the policy is Local and a node is without endpoints", () => {
  beforeAll(async () => {
    const { lab } = cluster;
    await lab.kubectl(["cordon", "node3"]);
    const pods = ["get", "pods", "-l", "app=web", "--field-selector", "spec.nodeName=node3", "-o", "name"];
    const there = (await lab.kubectl(pods)).split("\n").filter((pod) => pod !== "");
    if (there.length > 0) await lab.kubectl(["delete", ...there]);
    await lab.kubectl(["rollout", "status", "deployment", "web", "--timeout=30s"]);
    const local = JSON.stringify({ spec: { externalTrafficPolicy: "Local" } });
    await lab.kubectl(["patch", "service", "web", "-p", local]);
  }, 60_000);

  test.each(CASES)(
    "reaches the Service through the other nodes only, $family",
    async (each) => {
      await waitFor("ways through two nodes", async () => (await ways(each)).join() === "node1,node2", DEADLINE);
      expect(await nodesMet(each, 40)).toEqual(["node1", "node2"]);
    },
    60_000,
  );
});

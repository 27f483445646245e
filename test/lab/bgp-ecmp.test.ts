import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addressOf } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";
import { type BgpCluster, startBgpCluster } from "./support/bgp-cluster.ts";

/** The whole path behind FRR: whose kernel spreads a client's connections over the nodes that announce. */
const DEADLINE = { deadline: 20_000 };
let cluster: BgpCluster;
let address: string;

beforeAll(async () => {
  cluster = await startBgpCluster({ nodes: 3 });
  address = await addressOf(cluster.lab, "default/web");
  await cluster.lab.kubectl(["rollout", "status", "deployment", "web", "--timeout=30s"]);
}, 90_000);
afterAll(() => cluster?.[Symbol.asyncDispose]());

/** The nodes that FRR's kernel sends the address' packets to. */
async function ways(): Promise<string[]> {
  const route = await cluster.inRouter("ip", "route", "show", address);
  return cluster.lab.nodes.filter(({ ip }) => route.includes(`via ${ip} `)).map(({ name }) => name);
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
async function nodesMet(count: number): Promise<string[]> {
  const before = await forwarded();
  for (let i = 0; i < count; i++) {
    const answer = await cluster.inClient("curl", "-sS", "--max-time", "2", `http://${address}/`);
    expect(answer).toMatch(/^web, answered by pod /);
  }
  const after = await forwarded();
  return [...after].filter(([name, value]) => value > (before.get(name) ?? 0)).map(([name]) => name);
}

describe("a client behind FRR", () => {
  test("reaches a Service through all nodes", async () => {
    await waitFor("ways through all nodes", async () => (await ways()).length === 3, DEADLINE);
    expect(await nodesMet(60)).toEqual(["node1", "node2", "node3"]);
  }, 60_000);

  test("reaches one of policy Local through the nodes with an endpoint only", async () => {
    await cluster.lab.kubectl(["cordon", "node3"]);
    const pods = ["get", "pods", "-l", "app=web", "--field-selector", "spec.nodeName=node3", "-o", "name"];
    const there = (await cluster.lab.kubectl(pods)).split("\n").filter((pod) => pod !== "");
    if (there.length > 0) await cluster.lab.kubectl(["delete", ...there]);
    await cluster.lab.kubectl(["rollout", "status", "deployment", "web", "--timeout=30s"]);
    const local = JSON.stringify({ spec: { externalTrafficPolicy: "Local" } });
    await cluster.lab.kubectl(["patch", "service", "web", "-p", local]);
    await waitFor("ways through two nodes", async () => (await ways()).join() === "node1,node2", DEADLINE);
    expect(await nodesMet(40)).toEqual(["node1", "node2"]);
  }, 60_000);
});

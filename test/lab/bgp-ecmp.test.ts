import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { lan6Address } from "../../lab/address-plan.ts";
import type { LabNode } from "../../lab/mod.ts";
import { addressOf, apply } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";
import { type BgpCluster, startBgpCluster } from "./support/bgp-cluster.ts";
import { IPV6_POOL, ipv6Service, webOnIpv6 } from "./support/ipv6-web.ts";

/** The whole path behind FRR: whose kernel spreads a client's connections over the nodes that announce. */
const DEADLINE = { deadline: 20_000 };
/** A Service of each family with the pods of "web", and how to tell a node by its address of that family. */
const SERVICES = [
  { family: "IPv4", flag: "-4", service: "web", gatewayOf: ({ ip }: LabNode) => ip },
  { family: "IPv6", flag: "-6", service: "web6", gatewayOf: ({ ip }: LabNode) => lan6Address(ip) },
] as const;
type Case = (typeof SERVICES)[number];
let cluster: BgpCluster;

beforeAll(async () => {
  cluster = await startBgpCluster({ nodes: 3, families: "dual" });
  await apply(cluster.lab, IPV6_POOL, ipv6Service("web6"));
  await webOnIpv6(cluster.lab);
}, 90_000);
afterAll(() => cluster?.[Symbol.asyncDispose]());

const address = ({ service }: Case) => addressOf(cluster.lab, `default/${service}`);

/** The nodes that FRR's kernel sends the Service's packets to. */
async function ways(each: Case): Promise<string[]> {
  const route = await cluster.inRouter("ip", each.flag, "route", "show", await address(each));
  return cluster.lab.nodes.filter((node) => route.includes(`via ${each.gatewayOf(node)} `)).map(({ name }) => name);
}

/** New connections to the Service that each node has forwarded so far. */
async function forwarded({ service }: Case): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const metric = `^ironbridge_proxy_service_connections_total\\{[^}]*service="${service}"[^}]*\\} (\\d+)$`;
  for (const node of cluster.lab.nodes) {
    const { stdout } = await node.exec("curl", ["-sf", "http://127.0.0.1:10249/metrics"]);
    counts.set(node.name, Number(new RegExp(metric, "m").exec(stdout)?.[1] ?? 0));
  }
  return counts;
}

/** Asks `count` times from behind the router: the nodes that the questions came in by. */
async function nodesMet(each: Case, count: number): Promise<string[]> {
  const before = await forwarded(each);
  const target = await address(each);
  const host = target.includes(":") ? `[${target}]` : target;
  for (let i = 0; i < count; i++) {
    const answer = await cluster.inClient("curl", "-sS", "--max-time", "2", `http://${host}/`);
    expect(answer).toMatch(/^web, answered by pod /);
  }
  const after = await forwarded(each);
  return [...after].filter(([name, value]) => value > (before.get(name) ?? 0)).map(([name]) => name);
}

describe.each(SERVICES)("a client behind FRR, $family", (each) => {
  test("reaches a Service through all nodes", async () => {
    await waitFor("ways through all nodes", async () => (await ways(each)).length === 3, DEADLINE);
    expect(await nodesMet(each, 60)).toEqual(["node1", "node2", "node3"]);
  }, 60_000);
});

describe("a client behind FRR, when a node is without endpoints", () => {
  beforeAll(async () => {
    const { lab } = cluster;
    await lab.kubectl(["cordon", "node3"]);
    const pods = ["get", "pods", "-l", "app=web", "--field-selector", "spec.nodeName=node3", "-o", "name"];
    const there = (await lab.kubectl(pods)).split("\n").filter((pod) => pod !== "");
    if (there.length > 0) await lab.kubectl(["delete", ...there]);
    await lab.kubectl(["rollout", "status", "deployment", "web", "--timeout=30s"]);
  }, 60_000);

  test.each(SERVICES)(
    "reaches one of policy Local through the other nodes only, $family",
    async (each) => {
      const local = JSON.stringify({ spec: { externalTrafficPolicy: "Local" } });
      await cluster.lab.kubectl(["patch", "service", each.service, "-p", local]);
      await waitFor("ways through two nodes", async () => (await ways(each)).join() === "node1,node2", DEADLINE);
      expect(await nodesMet(each, 40)).toEqual(["node1", "node2"]);
    },
    60_000,
  );
});

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BGPAdvertisement } from "../../config/mod.ts";
import type { V1EndpointSlice, V1Node } from "../../kube/mod.ts";
import { waitFor } from "../support/wait.ts";
import { clusterNodes, NAMESPACE, VIP, webService, webSlice } from "./support/bgp-lab.ts";
import { type FrrLab, startFrrLab } from "./support/frr-lab.ts";

/** What two nodes tell one FRR: each test changes the objects and asks FRR what it knows. */
let site: FrrLab;
const DEADLINE = { deadline: 15_000 };
beforeAll(async () => {
  site = await startFrrLab("frr");
}, 90_000);
afterAll(() => site?.[Symbol.asyncDispose]());

function advert(spec: BGPAdvertisement["spec"], annotations: Record<string, string> = {}): BGPAdvertisement {
  return { metadata: { name: "all", namespace: NAMESPACE, annotations }, spec };
}

const OTHER = { name: "other", namespace: "default" };
function otherSlice(): V1EndpointSlice {
  const labels = { "kubernetes.io/service-name": "other" };
  return { ...webSlice(["node1", "node2"]), metadata: { name: "other-1", namespace: "default", labels } };
}

/** How often each of FRR's BFD sessions went down. */
async function bfdLosses(): Promise<readonly unknown[]> {
  const counters = (await site.frr.show("show bfd peers counters")) as unknown as readonly Record<string, unknown>[];
  return counters.map(({ peer, "session-down": downs }) => `${peer} ${downs}`).sort();
}

const nodes = (family: "v4" | "v6") => site.lab.nodes.map((node) => node[family]);

describe("startBgp() with FRR", () => {
  test("announces an address of each family from every node", async () => {
    const v4 = await site.pathsVia(`${VIP.v4}/32`, nodes("v4"));
    expect(v4.map(({ aspath }) => aspath.string)).toEqual(["64513", "64513"]);
    await site.pathsVia(`${VIP.v6}/128`, nodes("v6"));
  });

  test("tells communities, large ones, aliases, MED and a longer path", async () => {
    const communities = ["64512:1", "gold", "large:64512:7:9"];
    const annotations = { "ironbridge.io/med": "50", "ironbridge.io/as-path-prepend": "2" };
    await site.set({ bgpAdvertisements: [advert({ communities }, annotations)] });
    const all = async () => [...(await site.paths(`${VIP.v4}/32`)), ...(await site.paths(`${VIP.v6}/128`))];
    const look = async () => (await all()).every((path) => path.community !== undefined) || undefined;
    await waitFor("communities", look, DEADLINE);
    expect(await all()).toHaveLength(4);
    for (const path of await all()) {
      expect(path.community?.string).toBe("64512:1 64512:77");
      expect(path.largeCommunity?.string).toBe("64512:7:9");
      expect(path.metric).toBe(50);
      expect(path.aspath.string).toBe("64513 64513 64513");
    }
  });

  test("announces the aggregate that an advertisement asks for, and no longer the address", async () => {
    await site.set({ bgpAdvertisements: [advert({ aggregationLength: 24, aggregationLengthV6: 124 })] });
    await site.pathsVia("203.0.113.0/24", nodes("v4"));
    await site.pathsVia("2001:db8:ffff::10/124", nodes("v6"));
    await waitFor("no /128", async () => (await site.paths(`${VIP.v6}/128`)).length === 0, DEADLINE);
    await waitFor("no /32", async () => (await site.paths(`${VIP.v4}/32`)).length === 0, DEADLINE);
    await site.set({ bgpAdvertisements: [advert({})] });
    await site.pathsVia(`${VIP.v4}/32`, nodes("v4"));
    await waitFor("no /24", async () => (await site.paths("203.0.113.0/24")).length === 0, DEADLINE);
  });

  test("announces to the peers that an advertisement names only", async () => {
    await site.set({ bgpAdvertisements: [advert({ peers: ["router6"] })] });
    await waitFor("no IPv4", async () => (await site.paths(`${VIP.v4}/32`)).length === 0, DEADLINE);
    await site.pathsVia(`${VIP.v6}/128`, nodes("v6"));
    await site.set({ bgpAdvertisements: [advert({})] });
    await site.pathsVia(`${VIP.v4}/32`, nodes("v4"));
  });

  test("announces from the nodes that an advertisement selects only", async () => {
    const nodeSelectors = [{ matchLabels: { "kubernetes.io/hostname": "node2" } }];
    await site.set({ bgpAdvertisements: [advert({ nodeSelectors })] });
    await site.pathsVia(`${VIP.v4}/32`, [site.lab.nodes[1]!.v4]);
    await site.set({ bgpAdvertisements: [advert({})] });
    await site.pathsVia(`${VIP.v4}/32`, nodes("v4"));
  });

  test("announces from a node once it has the label that an advertisement selects", async () => {
    const [node1, node2] = clusterNodes(site.lab.nodes) as [V1Node, V1Node];
    await site.set({ bgpAdvertisements: [advert({ nodeSelectors: [{ matchLabels: { rack: "a" } }] })] });
    await site.pathsVia(`${VIP.v4}/32`, []);
    await site.pathsVia(`${VIP.v6}/128`, []);
    const labels = { ...node2.metadata?.labels, rack: "a" };
    await site.set({ nodes: [{ ...node2, metadata: { ...node2.metadata, labels } }] });
    await site.pathsVia(`${VIP.v4}/32`, [site.lab.nodes[1]!.v4]);
    await site.pathsVia(`${VIP.v6}/128`, [site.lab.nodes[1]!.v6]);
    await site.set({ nodes: [node1, node2], bgpAdvertisements: [advert({})] });
    await site.announcedByAll();
  });

  test("withdraws everything from a node that lacks its network, and from no other", async () => {
    const [, node2] = clusterNodes(site.lab.nodes) as [V1Node, V1Node];
    const conditions = [{ type: "NetworkUnavailable", status: "True" }];
    await site.set({ nodes: [{ ...node2, status: { ...node2.status, conditions } }] });
    await site.pathsVia(`${VIP.v4}/32`, [site.first.v4]);
    await site.pathsVia(`${VIP.v6}/128`, [site.first.v6]);
    await site.set({ nodes: [node2] });
    await site.announcedByAll();
  });

  test("leaves what it has told alone when a pool and a Service are added", async () => {
    const versions = () =>
      Promise.all([`${VIP.v4}/32`, `${VIP.v6}/128`].map(async (each) => (await site.prefix(each)).version));
    const before = await versions();
    expect(before).toEqual([expect.any(Number), expect.any(Number)]);
    const lostBefore = await bfdLosses();
    const pool = { addresses: ["198.18.0.0/24", "2001:db8:fffe::/112"] };
    const other = { ...webService({}, ["198.18.0.7", "2001:db8:fffe::7"]), metadata: OTHER };
    await site.set({ pools: [{ metadata: { name: "second", namespace: NAMESPACE }, spec: pool }] });
    await site.set({ services: [other], slices: [otherSlice()] });
    await site.announcedByAll("198.18.0.7/32", "2001:db8:fffe::7/128");
    expect(await versions()).toEqual(before);
    expect(await bfdLosses()).toEqual(lostBefore);
    await site.remove("services", "default/other");
    await waitFor("no route", async () => (await site.paths("198.18.0.7/32")).length === 0, DEADLINE);
  });

  test("announces a Service of policy Local from nodes with an endpoint only", async () => {
    const services = [webService({ externalTrafficPolicy: "Local" }, [VIP.v4, VIP.v6])];
    await site.set({ services, slices: [webSlice(["node2"])] });
    await site.pathsVia(`${VIP.v4}/32`, [site.lab.nodes[1]!.v4]);
    await site.set({ slices: [webSlice(["node1"])] });
    await site.pathsVia(`${VIP.v4}/32`, [site.first.v4]);
    await site.pathsVia(`${VIP.v6}/128`, [site.first.v6]);
    await site.set({ services: [webService({}, [VIP.v4, VIP.v6])], slices: [webSlice(["node1", "node2"])] });
    await site.pathsVia(`${VIP.v4}/32`, nodes("v4"));
  });

  test("waits for the rules of a Service before it announces it", async () => {
    const other = { ...webService({}, ["203.0.113.20"]), metadata: OTHER };
    await site.first.order({ kind: "unprogram", services: ["default/other"] });
    await site.set({ services: [other], slices: [otherSlice()] });
    await site.pathsVia("203.0.113.20/32", [site.lab.nodes[1]!.v4]);
    await site.first.order({ kind: "unprogram", services: [] });
    await site.pathsVia("203.0.113.20/32", nodes("v4"));
    await site.remove("services", "default/other");
    await waitFor("no route", async () => (await site.paths("203.0.113.20/32")).length === 0, DEADLINE);
  });

  test("installs no route of the router", async () => {
    const shown = await site.frr.show(`show bgp ipv4 unicast neighbors ${site.first.v4} advertised-routes`);
    expect(Object.keys(shown.advertisedRoutes as object)).toContain("10.99.0.0/16");
    const shown6 = await site.frr.show(`show bgp ipv6 unicast neighbors ${site.first.v6} advertised-routes`);
    expect(Object.keys(shown6.advertisedRoutes as object)).toContain("2001:db8:99::/48");
    expect(await site.lab.inNode(site.first, "ip", "route")).not.toContain("10.99");
    expect(await site.lab.inNode(site.first, "ip", "-6", "route")).not.toContain("2001:db8:99:");
  });
});

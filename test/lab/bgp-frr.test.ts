import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BGPAdvertisement } from "../../config/mod.ts";
import type { V1EndpointSlice, V1Node } from "../../kube/mod.ts";
import { waitFor } from "../support/wait.ts";
import {
  type BgpLab,
  type BgpNode,
  clusterNodes,
  isUp,
  NAMESPACE,
  peerObject,
  ROUTER,
  startBgpLab,
  VIP,
  webService,
  webSlice,
} from "./support/bgp-lab.ts";
import type { BgpAnswer, BgpObjects } from "./support/bgp-node.ts";
import { type Frr, startFrr } from "./support/frr.ts";

/** Sessions of two nodes with one FRR: each test changes the objects and asks FRR what it knows. */
let lab: BgpLab;
let frr: Frr;
let first: BgpNode;

const SECRET_KEY = "correct-horse";
const DEADLINE = { deadline: 15_000 };

const passwordSecret = { name: "key", namespace: NAMESPACE };
const routerPeer = (times: { readonly holdTime: string; readonly keepaliveTime: string }) =>
  peerObject({ bfdProfile: "fast", connectTime: "5s", routerID: "", ...times });

beforeAll(async () => {
  const peers = [
    routerPeer({ holdTime: "30s", keepaliveTime: "10s" }),
    peerObject({ peerAddress: ROUTER.v6, bfdProfile: "plain", passwordSecret }, "router6"),
  ];
  lab = await startBgpLab({
    tag: "frr",
    nodes: 2,
    objects: () => ({
      bgpPeers: peers,
      services: [webService({}, [VIP.v4, VIP.v6])],
      secrets: [
        {
          metadata: { name: "key", namespace: NAMESPACE },
          type: "kubernetes.io/basic-auth",
          data: { password: Buffer.from(SECRET_KEY).toString("base64") },
        },
      ],
      bfdProfiles: [
        {
          metadata: { name: "fast", namespace: NAMESPACE },
          spec: { transmitInterval: 100, receiveInterval: 150, detectMultiplier: 4 },
        },
        { metadata: { name: "plain", namespace: NAMESPACE }, spec: {} },
      ],
      communities: [
        { metadata: { name: "c", namespace: NAMESPACE }, spec: { communities: [{ name: "gold", value: "64512:77" }] } },
      ],
    }),
  });
  [first] = lab.nodes as [BgpNode];
  frr = await startFrr(lab, [
    "bfd",
    " profile fast",
    "  transmit-interval 100",
    "  receive-interval 150",
    "router bgp 64512",
    " bgp router-id 192.0.2.1",
    " no bgp ebgp-requires-policy",
    " no bgp default ipv4-unicast",
    " no bgp network import-check",
    " bgp bestpath as-path multipath-relax",
    ...lab.nodes.flatMap(({ v4, v6 }) => [
      ` neighbor ${v4} remote-as 64513`,
      ` neighbor ${v4} bfd profile fast`,
      ` neighbor ${v4} timers connect 1`,
      ` neighbor ${v6} remote-as 64513`,
      ` neighbor ${v6} bfd`,
      ` neighbor ${v6} password ${SECRET_KEY}`,
      ` neighbor ${v6} timers connect 1`,
    ]),
    " address-family ipv4 unicast",
    "  network 10.99.0.0/16",
    "  maximum-paths 8",
    ...lab.nodes.map(({ v4 }) => `  neighbor ${v4} activate`),
    " exit-address-family",
    " address-family ipv6 unicast",
    "  network 2001:db8:99::/48",
    "  maximum-paths 8",
    ...lab.nodes.map(({ v6 }) => `  neighbor ${v6} activate`),
    " exit-address-family",
  ]);
  for (const node of lab.nodes) await node.until("sessions", (all) => isUp(all) && isUp(all, "router6"), 30_000);
}, 90_000);
afterAll(() => lab?.[Symbol.asyncDispose]());

interface Path {
  readonly aspath: { readonly string: string };
  readonly metric?: number;
  readonly community?: { readonly string: string };
  readonly largeCommunity?: { readonly string: string };
  readonly nexthops: readonly { readonly ip: string; readonly scope?: string }[];
}

async function prefixOf(prefix: string): Promise<Record<string, unknown>> {
  return frr.show(`show bgp ${prefix.includes(":") ? "ipv6" : "ipv4"} unicast ${prefix}`);
}

async function paths(prefix: string): Promise<readonly Path[]> {
  return ((await prefixOf(prefix)).paths ?? []) as readonly Path[];
}

/** Waits until FRR knows `prefix` by exactly these next hops. */
async function pathsVia(prefix: string, nextHops: readonly string[]): Promise<readonly Path[]> {
  const look = async () => {
    const found = await paths(prefix);
    const ips = found.map(({ nexthops }) => nexthops[0]?.ip ?? "").sort();
    return ips.join() === [...nextHops].sort().join() && found;
  };
  return waitFor(`${prefix} via ${nextHops.join(" and ")}`, look, DEADLINE);
}

function advert(
  spec: BGPAdvertisement["spec"],
  annotations: Record<string, string> = {},
  name = "all",
): BGPAdvertisement {
  return { metadata: { name, namespace: NAMESPACE, annotations }, spec };
}

const OTHER = { name: "other", namespace: "default" };
function otherSlice(): V1EndpointSlice {
  const labels = { "kubernetes.io/service-name": "other" };
  return { ...webSlice(["node1", "node2"]), metadata: { name: "other-1", namespace: "default", labels } };
}

const allNodes = (family: "v4" | "v6") => lab.nodes.map((node) => node[family]);

/** Waits until FRR knows both prefixes from every node. */
async function announcedByAll(v4 = `${VIP.v4}/32`, v6 = `${VIP.v6}/128`): Promise<void> {
  await pathsVia(v4, allNodes("v4"));
  await pathsVia(v6, allNodes("v6"));
}

/** How often each of FRR's BFD sessions went down. */
async function bfdLosses(): Promise<readonly unknown[]> {
  const counters = (await frr.show("show bfd peers counters")) as unknown as readonly Record<string, unknown>[];
  return counters.map(({ peer, "session-down": downs }) => `${peer} ${downs}`).sort();
}

const remove = (from: keyof BgpObjects, key: string) =>
  Promise.all(lab.nodes.map((node) => node.order({ kind: "delete", from, keys: [key] })));
const set = (objects: Partial<BgpObjects>) =>
  Promise.all(lab.nodes.map((node) => node.order({ kind: "set", objects })));

describe("startBgp() with FRR", () => {
  test("announces an address of each family from every node", async () => {
    const v4 = await pathsVia(`${VIP.v4}/32`, allNodes("v4"));
    expect(v4.map(({ aspath }) => aspath.string)).toEqual(["64513", "64513"]);
    await pathsVia(`${VIP.v6}/128`, allNodes("v6"));
  });

  test("agrees on the hold time, and tells what it can do", async () => {
    const shown = await frr.show(`show bgp neighbors ${first.v4}`);
    expect(shown[first.v4]).toMatchObject({
      bgpState: "Established",
      remoteAs: 64513,
      remoteRouterId: first.v4,
      bgpTimerHoldTimeMsecs: 30_000,
      bgpTimerKeepAliveIntervalMsecs: 10_000,
      neighborCapabilities: {
        "4byteAs": "advertisedAndReceived",
        extendedMessage: "advertisedAndReceived",
        routeRefresh: "advertisedAndReceivedNew",
        enhancedRouteRefresh: "advertisedAndReceived",
      },
    });
    const familiesOf = async (address: string) => {
      const neighbour = (await frr.show(`show bgp neighbors ${address}`))[address] as {
        neighborCapabilities: { multiprotocolExtensions: object };
      };
      return Object.keys(neighbour.neighborCapabilities.multiprotocolExtensions);
    };
    expect([await familiesOf(first.v4), await familiesOf(first.v6)]).toEqual([["ipv4Unicast"], ["ipv6Unicast"]]);
  });

  const bfdPeers: { family: "v4" | "v6"; profile: string; transmit: number; receive: number; multiplier: number }[] = [
    { family: "v4", profile: "with values", transmit: 100, receive: 150, multiplier: 4 },
    { family: "v6", profile: "without values", transmit: 300, receive: 300, multiplier: 3 },
  ];
  test.each(bfdPeers)("has BFD sessions over $family by a profile $profile", async ({ family, ...times }) => {
    for (const node of lab.nodes) {
      const peer = await waitFor(
        "BFD",
        async () => {
          const all = (await frr.show("show bfd peers")) as unknown as readonly Record<string, unknown>[];
          return all.find((each) => each.peer === node[family] && each.status === "up");
        },
        DEADLINE,
      );
      expect(peer).toMatchObject({
        "remote-transmit-interval": times.transmit,
        "remote-receive-interval": times.receive,
        "remote-detect-multiplier": times.multiplier,
        diagnostic: "ok",
      });
    }
  });

  test("counts messages, prefixes and BFD's packets", async () => {
    const isTold = ({ metrics }: { metrics: string }) =>
      metrics.includes('metallb_bfd_session_up{peer="192.0.2.1:179"} 1');
    await first.until("the metric", isTold);
    const { metrics } = await first.order({ kind: "tell" });
    const read = (name: string, peer: string) =>
      Number(
        metrics
          .split("\n")
          .find((line) => line.startsWith(`metallb_${name}{peer="${peer}"} `))
          ?.split(" ")[1],
      );
    for (const peer of ["192.0.2.1:179", "[2001:db8:1::1]:179"]) {
      expect(["bgp_session_up", "bgp_announced_prefixes_total"].map((name) => read(name, peer))).toEqual([1, 1]);
      const counters = ["bgp_opens_sent", "bgp_opens_received", "bgp_keepalives_sent", "bgp_keepalives_received"];
      counters.push("bgp_updates_total", "bgp_updates_total_received", "bgp_total_sent", "bgp_total_received");
      counters.push("bfd_control_packet_input", "bfd_control_packet_output", "bfd_session_up_events");
      for (const name of counters) expect(`${name} of ${peer}: ${read(name, peer) > 0}`).toMatch(/true$/);
      expect(read("bfd_session_down_events", peer)).toBe(0);
    }
    expect(metrics).toContain('metallb_speaker_announced{service="default/web",protocol="bgp",node="node1"');
  });

  test("tells communities, large ones, aliases, MED and a longer path", async () => {
    const communities = ["64512:1", "gold", "large:64512:7:9"];
    const annotations = { "ironbridge.io/med": "50", "ironbridge.io/as-path-prepend": "2" };
    await set({ bgpAdvertisements: [advert({ communities }, annotations)] });
    const all = async () => [...(await paths(`${VIP.v4}/32`)), ...(await paths(`${VIP.v6}/128`))];
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
    await set({ bgpAdvertisements: [advert({ aggregationLength: 24, aggregationLengthV6: 124 })] });
    await pathsVia("203.0.113.0/24", allNodes("v4"));
    await pathsVia("2001:db8:ffff::10/124", allNodes("v6"));
    await waitFor("no /128", async () => (await paths(`${VIP.v6}/128`)).length === 0, DEADLINE);
    await waitFor("no /32", async () => (await paths(`${VIP.v4}/32`)).length === 0, DEADLINE);
    await set({ bgpAdvertisements: [advert({})] });
    await pathsVia(`${VIP.v4}/32`, allNodes("v4"));
    await waitFor("no /24", async () => (await paths("203.0.113.0/24")).length === 0, DEADLINE);
  });

  test("announces to the peers that an advertisement names only", async () => {
    await set({ bgpAdvertisements: [advert({ peers: ["router6"] })] });
    await waitFor("no IPv4", async () => (await paths(`${VIP.v4}/32`)).length === 0, DEADLINE);
    await pathsVia(`${VIP.v6}/128`, allNodes("v6"));
    await set({ bgpAdvertisements: [advert({})] });
    await pathsVia(`${VIP.v4}/32`, allNodes("v4"));
  });

  test("announces from the nodes that an advertisement selects only", async () => {
    const nodeSelectors = [{ matchLabels: { "kubernetes.io/hostname": "node2" } }];
    await set({ bgpAdvertisements: [advert({ nodeSelectors })] });
    await pathsVia(`${VIP.v4}/32`, [lab.nodes[1]!.v4]);
    await set({ bgpAdvertisements: [advert({})] });
    await pathsVia(`${VIP.v4}/32`, allNodes("v4"));
  });

  test("announces from a node once it has the label that an advertisement selects", async () => {
    const [node1, node2] = clusterNodes(lab.nodes) as [V1Node, V1Node];
    await set({ bgpAdvertisements: [advert({ nodeSelectors: [{ matchLabels: { rack: "a" } }] })] });
    await pathsVia(`${VIP.v4}/32`, []);
    await pathsVia(`${VIP.v6}/128`, []);
    const labels = { ...node2.metadata?.labels, rack: "a" };
    await set({ nodes: [{ ...node2, metadata: { ...node2.metadata, labels } }] });
    await pathsVia(`${VIP.v4}/32`, [lab.nodes[1]!.v4]);
    await pathsVia(`${VIP.v6}/128`, [lab.nodes[1]!.v6]);
    await set({ nodes: [node1, node2], bgpAdvertisements: [advert({})] });
    await announcedByAll();
  });

  test("withdraws everything from a node that lacks its network, and from no other", async () => {
    const [, node2] = clusterNodes(lab.nodes) as [V1Node, V1Node];
    const conditions = [{ type: "NetworkUnavailable", status: "True" }];
    await set({ nodes: [{ ...node2, status: { ...node2.status, conditions } }] });
    await pathsVia(`${VIP.v4}/32`, [first.v4]);
    await pathsVia(`${VIP.v6}/128`, [first.v6]);
    await set({ nodes: [node2] });
    await announcedByAll();
  });

  test("leaves what it has told alone when a pool and a Service are added", async () => {
    const versions = () =>
      Promise.all([`${VIP.v4}/32`, `${VIP.v6}/128`].map(async (each) => (await prefixOf(each)).version));
    const before = await versions();
    expect(before).toEqual([expect.any(Number), expect.any(Number)]);
    const lostBefore = await bfdLosses();
    const pool = { addresses: ["198.18.0.0/24", "2001:db8:fffe::/112"] };
    const other = { ...webService({}, ["198.18.0.7", "2001:db8:fffe::7"]), metadata: OTHER };
    await set({ pools: [{ metadata: { name: "second", namespace: NAMESPACE }, spec: pool }] });
    await set({ services: [other], slices: [otherSlice()] });
    await announcedByAll("198.18.0.7/32", "2001:db8:fffe::7/128");
    expect(await versions()).toEqual(before);
    expect(await bfdLosses()).toEqual(lostBefore);
    await remove("services", "default/other");
    await waitFor("no route", async () => (await paths("198.18.0.7/32")).length === 0, DEADLINE);
  });

  test("announces a Service of policy Local from nodes with an endpoint only", async () => {
    const services = [webService({ externalTrafficPolicy: "Local" }, [VIP.v4, VIP.v6])];
    await set({ services, slices: [webSlice(["node2"])] });
    await pathsVia(`${VIP.v4}/32`, [lab.nodes[1]!.v4]);
    await set({ slices: [webSlice(["node1"])] });
    await pathsVia(`${VIP.v4}/32`, [first.v4]);
    await pathsVia(`${VIP.v6}/128`, [first.v6]);
    await set({ services: [webService({}, [VIP.v4, VIP.v6])], slices: [webSlice(["node1", "node2"])] });
    await pathsVia(`${VIP.v4}/32`, allNodes("v4"));
  });

  test("waits for the rules of a Service before it announces it", async () => {
    const other = { ...webService({}, ["203.0.113.20"]), metadata: OTHER };
    await first.order({ kind: "unprogram", services: ["default/other"] });
    await set({ services: [other], slices: [otherSlice()] });
    await pathsVia("203.0.113.20/32", [lab.nodes[1]!.v4]);
    await first.order({ kind: "unprogram", services: [] });
    await pathsVia("203.0.113.20/32", allNodes("v4"));
    await remove("services", "default/other");
    await waitFor("no route", async () => (await paths("203.0.113.20/32")).length === 0, DEADLINE);
  });

  test("installs no route of the router", async () => {
    const shown = await frr.show(`show bgp ipv4 unicast neighbors ${first.v4} advertised-routes`);
    expect(Object.keys(shown.advertisedRoutes as object)).toContain("10.99.0.0/16");
    const shown6 = await frr.show(`show bgp ipv6 unicast neighbors ${first.v6} advertised-routes`);
    expect(Object.keys(shown6.advertisedRoutes as object)).toContain("2001:db8:99::/48");
    expect(await lab.inNode(first, "ip", "route")).not.toContain("10.99");
    expect(await lab.inNode(first, "ip", "-6", "route")).not.toContain("2001:db8:99:");
  });

  test("sends its routes again when asked to", async () => {
    const refreshes = async () =>
      Number(/updates_total\{peer="192.0.2.1:179"\} (\d+)/.exec((await first.order({ kind: "tell" })).metrics)?.[1]);
    const before = await refreshes();
    await frr.text(`clear bgp ipv4 unicast ${first.v4} soft in`);
    await waitFor("more UPDATEs", async () => (await refreshes()) > before, DEADLINE);
    await pathsVia(`${VIP.v4}/32`, allNodes("v4"));
  });

  test("has its sessions back within twice the connect time when the router clears them", async () => {
    const { losses = 0 } = (await first.order({ kind: "tell" })).state.peers.router ?? {};
    await frr.text("clear bgp *");
    const isBack = (answer: BgpAnswer) => isUp(answer) && (answer.state.peers.router?.losses ?? 0) > losses;
    await first.until("a session after the loss", isBack, 10_000);
    await announcedByAll();
  });

  test("takes another hold time with a new session", async () => {
    const negotiated = async () => {
      const { [first.v4]: neighbour } = await frr.show(`show bgp neighbors ${first.v4}`);
      const { bgpTimerHoldTimeMsecs, bgpState } = neighbour as Record<string, unknown>;
      return bgpState === "Established" && bgpTimerHoldTimeMsecs;
    };
    for (const seconds of [57, 30]) {
      await set({ bgpPeers: [routerPeer({ holdTime: `${seconds}s`, keepaliveTime: "10s" })] });
      await waitFor(`${seconds} s`, async () => (await negotiated()) === seconds * 1000, DEADLINE);
    }
    await announcedByAll();
  });

  test("refuses a peer with another TCP-MD5 key, and takes it with the right one", async () => {
    await frr.text("configure terminal", "router bgp 64512", `neighbor ${first.v6} password wrong`);
    await first.until("no session", ({ state }) => state.peers.router6?.phase !== "established");
    const shown = await frr.show(`show bgp neighbors ${first.v6}`);
    expect(shown[first.v6]).not.toMatchObject({ bgpState: "Established" });
    const refused = async () => {
      const [names = "", values = ""] = (await lab.inRouter("grep", "TcpExt", "/proc/net/netstat")).split("\n");
      return Number(values.split(" ")[names.split(" ").indexOf("TCPMD5Failure")]);
    };
    const before = await refused();
    await waitFor("segments the kernel drops", async () => (await refused()) > before, DEADLINE);
    expect((await first.order({ kind: "tell" })).state.peers.router6?.phase).not.toBe("established");
    await frr.text("configure terminal", "router bgp 64512", `neighbor ${first.v6} password ${SECRET_KEY}`);
    await first.until("a session", (answer) => isUp(answer, "router6"), 40_000);
  }, 60_000);

  test("loses the session within moments when BFD misses the router, and has it again afterwards", async () => {
    await lab.inRouter("ip", "link", "set", "dev", "node1", "nomaster");
    await pathsVia(`${VIP.v4}/32`, [lab.nodes[1]!.v4]);
    await first.until("no session", ({ state }) => state.peers.router?.phase !== "established", 5_000);
    await lab.inRouter("ip", "link", "set", "dev", "node1", "master", "lan0");
    await pathsVia(`${VIP.v4}/32`, allNodes("v4"));
  }, 60_000);

  test("lets the thread of BGP and BFD go first, and no other", async () => {
    const { pid } = first.process;
    // proc(5): the 19th field of stat is the nice value, the 17th behind the name.
    const nices = readdirSync(`/proc/${pid}/task`).map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8").split(") ")[1]?.split(" ")[16]),
    );
    expect(nices.filter((nice) => nice === constants.priority.PRIORITY_HIGH)).toHaveLength(1);
  });

  test("keeps BGP and BFD going while the main thread is busy", async () => {
    const before = await first.until(
      "sessions",
      (answer) => isUp(answer) && answer.state.peers.router?.bfd?.state === "up",
    );
    const after = await first.order({ kind: "block", milliseconds: 4000 });
    const { losses, bfd } = before.state.peers.router ?? {};
    await first.until("news", ({ state }) => (state.peers.router?.bfd?.sent ?? 0) > (bfd?.sent ?? 0) + 20);
    const now = await first.order({ kind: "tell" });
    expect(now.state.peers.router).toMatchObject({
      phase: "established",
      losses,
      bfd: { state: "up", downs: bfd?.downs },
    });
    expect(after.ready).toBe(true);
  });

  test("counts the loss of BFD when the router ends it, and has a session without", async () => {
    const isBfdUp = ({ state }: BgpAnswer) => state.peers.router6?.bfd?.state === "up";
    const { state } = await first.until("BFD", isBfdUp);
    const told = (metrics: string, name: string, value: number) =>
      metrics.includes(`metallb_bfd_${name}{peer="[2001:db8:1::1]:179"} ${value}\n`);
    const downs = (state.peers.router6?.bfd?.downs ?? 0) + 1;
    await frr.text("configure terminal", "router bgp 64512", `no neighbor ${first.v6} bfd`);
    const isCounted = ({ metrics }: BgpAnswer) =>
      told(metrics, "session_up", 0) && told(metrics, "session_down_events", downs);
    await first.until("the loss", isCounted);
    await first.until("a session without BFD", (answer) => isUp(answer, "router6") && !isBfdUp(answer));
  });

  test("says that it stops, and why", async () => {
    await first.stop();
    const look = async () => {
      const shown = await frr.show(`show bgp neighbors ${first.v6}`);
      const neighbour = shown[first.v6] as Record<string, unknown>;
      return neighbour.bgpState !== "Established" && neighbour;
    };
    const neighbour = await waitFor("the end of the session", look, DEADLINE);
    expect(neighbour).toMatchObject({
      lastNotificationReason: "Cease/Administrative Shutdown",
      lastShutdownDescription: "the speaker of this node stops",
    });
    first.start();
    await pathsVia(`${VIP.v4}/32`, allNodes("v4"));
  }, 60_000);
});

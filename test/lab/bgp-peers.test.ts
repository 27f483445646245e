import { describe, expect, test } from "vitest";
import type { BGPPeer } from "../../config/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type BgpNode, DUAL, FAR, FAST, isUp, NAMESPACE, peerObject, ROUTER, VIP } from "./support/bgp-lab.ts";
import { labPerTest } from "./support/lab-per-test.ts";
import { tcpCount } from "./support/tcp-count.ts";
import { shows, startBird, startGobgp } from "./support/text-routers.ts";

/** Kinds of sessions, each with a router of its own: BIRD or GoBGP. */
const start = labPerTest("peers");
/** One more address of the node. */
const SECOND = "192.0.2.111";

/** BIRD's end of a session over the router in between. */
function farSession(node: string, more = ""): string {
  return `protocol bgp node { local ${FAR} as 64512; neighbor ${node} as 65001; multihop 2; ${more}
    connect delay time 0; connect retry time 1; error wait time 1, 1; ipv4 { import all; export none; }; }`;
}

describe("startBgp() with BIRD", () => {
  test("internal, both families over IPv4, with preference, BFD, and a key", async () => {
    const peer = peerObject({ peerASN: 64513, dualStackAddressFamily: true, password: "k", bfdProfile: "fast" });
    const advert = {
      metadata: { name: "all", namespace: NAMESPACE },
      spec: { localPref: 150, communities: ["large:1:2:3"] },
    };
    const lab = await start(() => ({ ...DUAL, bgpPeers: [peer], bgpAdvertisements: [advert], bfdProfiles: [FAST] }));
    const bird = await startBird(lab, [
      'protocol bfd { interface "*" { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; }; }',
      `protocol bgp node { local 192.0.2.1 as 64513; neighbor ${lab.nodes[0]!.v4} as 64513; direct; password "k"; bfd on;
        connect retry time 1; ipv4 { import all; export none; }; ipv6 { import all; export none; }; }`,
    ]);
    const v4 = await shows(
      bird,
      `show route all for ${VIP.v4}/32`,
      "BGP.local_pref: 150",
      "BGP.large_community: (1, 2, 3)",
    );
    expect(v4).toContain(`BGP.next_hop: ${lab.nodes[0]!.v4}`);
    expect(v4).toMatch(/BGP.as_path: ?\n/);
    const v6 = await shows(bird, `show route all for ${VIP.v6}/128`, `BGP.next_hop: ${lab.nodes[0]!.v6}`);
    expect(v6).toContain("BGP.local_pref: 150");
    expect(v6).toContain("BGP.large_community: (1, 2, 3)");
    await shows(bird, "show bfd sessions", lab.nodes[0]!.v4, "Up");
    const shown = await bird("show protocols all node");
    expect(shown).toContain("Established");
    expect(shown).toMatch(/Neighbor capabilities[\s\S]*Multiprotocol[\s\S]*Route refresh[\s\S]*4-octet AS numbers/);
  });

  test("IPv4 routes over an IPv6 session point at an IPv6 address", async () => {
    const peer = peerObject({ peerAddress: ROUTER.v6, dualStackAddressFamily: true });
    const lab = await start(() => ({ ...DUAL, bgpPeers: [peer] }));
    const bird = await startBird(lab, [
      `protocol bgp node { local ${ROUTER.v6} as 64512; neighbor ${lab.nodes[0]!.v6} as 64513; connect retry time 1;
        ipv4 { import all; export none; extended next hop on; }; ipv6 { import all; export none; }; }`,
    ]);
    await shows(bird, `show route all for ${VIP.v4}/32`, `BGP.next_hop: ${lab.nodes[0]!.v6}`);
    await shows(bird, `show route all for ${VIP.v6}/128`, `BGP.next_hop: ${lab.nodes[0]!.v6}`);
  });

  test("node and router that dial at once end with one session", async () => {
    const lab = await start(() => DUAL, { listenPort: 179 });
    const bird = await startBird(lab, [
      `protocol bgp node { local 192.0.2.1 as 64512; neighbor ${lab.nodes[0]!.v4} as 64513; connect delay time 0;
        connect retry time 1; ipv4 { import all; export none; }; }`,
    ]);
    for (let round = 0; round < 5; round++) {
      await shows(bird, `show route for ${VIP.v4}/32`, "[node");
      await shows(bird, "show protocols node", "Established");
      await lab.nodes[0]!.until("one session", (answer) => isUp(answer));
      const sockets = await lab.inNode(lab.nodes[0]!, "ss", "-Htn", "state", "established");
      expect(sockets.trim().split("\n").length).toBe(1);
      await bird("restart node");
    }
  }, 60_000);

  test("two hops away, from another address of the node, with a local AS and a router ID", async () => {
    const spec = { peerAddress: FAR, ebgpMultiHop: true, localASN: 65001, routerID: "10.10.10.1" };
    const lab = await start(() => ({ bgpPeers: [peerObject({ ...spec, sourceAddress: SECOND })] }));
    const [node] = lab.nodes as [BgpNode];
    await lab.inNode(node, "ip", "address", "add", `${SECOND}/24`, "dev", "eth0");
    const bird = await startBird(lab.far, [farSession(SECOND)]);
    const route = await shows(bird, `show route all for ${VIP.v4}/32`, "BGP.as_path: 65001\n");
    expect(route).toContain(`BGP.next_hop: ${SECOND}`);
    await shows(bird, "show protocols all node", "Neighbor ID:      10.10.10.1");
    const { state } = await node.until("a session", (answer) => isUp(answer));
    expect(state.peers.router).toMatchObject({ localAddress: SECOND, remote: `${FAR}:179` });
  }, 60_000);

  test.each(["dials", "is dialled"])(
    "a peer that is further away than GTSM allows has no session: the node %s",
    async (way) => {
      const peer = (hops: number): BGPPeer => {
        const guard = { "ironbridge.io/ttl-security": String(hops) };
        const annotations = way === "dials" ? guard : { ...guard, "ironbridge.io/passive": "true" };
        const object = peerObject({ peerAddress: FAR, ebgpMultiHop: true, localASN: 65001 });
        return { ...object, metadata: { ...object.metadata, annotations } };
      };
      const lab = await start(() => ({ bgpPeers: [peer(1)] }), way === "dials" ? {} : { listenPort: 179 });
      const [node] = lab.nodes as [BgpNode];
      const passive = way === "dials" ? "passive on;" : "";
      await startBird(lab.far, [farSession(node.v4, `ttl security on; ${passive}`)]);
      // What is dialled drops before there is a connection, and counts nothing: what came is seen before it.
      const knocks = "tcp dport 179 ip ttl < 255 counter name knocks";
      const table = `table inet knocks { counter knocks { }; chain in { type filter hook input priority 0; ${knocks}; }; }`;
      await lab.inNode(node, "nft", table);
      const dropped = async () => {
        if (way === "dials") return await tcpCount((...command) => lab.inNode(node, ...command), "TCPMinTTLDrop");
        const counter = await lab.inNode(node, "nft", "list", "counter", "inet", "knocks", "knocks");
        return Number(/packets (\d+)/.exec(counter)?.[1]);
      };
      await waitFor("segments the kernel drops", async () => (await dropped()) > 2, { deadline: 20_000 });
      const { state } = await node.order({ kind: "tell" });
      expect(state.peers.router).toMatchObject({ losses: 0, counts: { opensReceived: 0 } });
      await node.order({ kind: "set", objects: { bgpPeers: [peer(2)] } });
      await node.until("a session", (answer) => isUp(answer), 20_000);
    },
    60_000,
  );
});

describe("startBgp() with BIRD on addresses of both families", () => {
  test("each peer that is added has sessions with all nodes, and none is lost for it", async () => {
    const lab = await start(() => ({ ...DUAL, bgpPeers: [] }), { nodes: 2 });
    const bird = await startBird(
      lab,
      lab.nodes.flatMap(({ name, v4, v6 }) => [
        `protocol bgp four_${name} { local ${ROUTER.v4} as 64512; neighbor ${v4} as 64513; connect retry time 1;
          ipv4 { import all; export none; }; }`,
        `protocol bgp six_${name} { local ${ROUTER.v6} as 64512; neighbor ${v6} as 64513; connect retry time 1;
          ipv6 { import all; export none; }; }`,
      ]),
    );
    const added: string[] = [];
    for (const [peer, peerAddress, prefix] of [
      ["four", ROUTER.v4, `${VIP.v4}/32`],
      ["six", ROUTER.v6, `${VIP.v6}/128`],
    ] as const) {
      added.push("established 0");
      const bgpPeers = [peerObject({ peerAddress }, peer)];
      for (const node of lab.nodes) await node.order({ kind: "set", objects: { bgpPeers } });
      for (const node of lab.nodes) {
        const { state } = await node.until(peer, (answer) => isUp(answer, peer), 20_000);
        expect(Object.values(state.peers).map(({ phase, losses }) => `${phase} ${losses}`)).toEqual(added);
        await shows(bird, `show route for ${prefix} protocol ${peer}_${node.name}`, `[${peer}_${node.name}`);
      }
    }
  }, 60_000);

  test("a number that is to be internal or external is found out, and refused when it is the other", async () => {
    const dynamic = (v4: "internal" | "external", v6: "internal" | "external") =>
      (
        [
          [ROUTER.v4, v4, "four"],
          [ROUTER.v6, v6, "six"],
        ] as const
      ).map(([peerAddress, dynamicASN, name]) => {
        const { peerASN: _, ...spec } = peerObject({ peerAddress }).spec!;
        return { ...peerObject({}, name), spec: { ...spec, dynamicASN } };
      });
    const lab = await start(() => ({ ...DUAL, bgpPeers: dynamic("internal", "external") }));
    const [node] = lab.nodes;
    const patience = "connect retry time 1; error wait time 1, 1; ";
    const bird = await startBird(lab, [
      `protocol bgp four { local ${ROUTER.v4} as 64512; neighbor ${node!.v4} as 64513; ${patience}
        ipv4 { import all; export none; }; }`,
      `protocol bgp six { local ${ROUTER.v6} as 64513; neighbor ${node!.v6} as 64513; ${patience}
        ipv6 { import all; export none; }; }`,
    ]);
    const wrong = "OPEN Message Error/Bad Peer AS";
    const { state } = await node!.until("the reasons", ({ state: { peers } }) =>
      [peers.four, peers.six].every((peer) => peer?.why?.includes(wrong)),
    );
    expect([state.peers.four, state.peers.six].map((peer) => peer?.losses)).toEqual([0, 0]);
    for (const name of ["four", "six"]) expect(await bird(`show protocols ${name}`)).not.toContain("Established");
    await node!.order({ kind: "set", objects: { bgpPeers: dynamic("external", "internal") } });
    await shows(bird, `show route all for ${VIP.v4}/32`, "BGP.as_path: 64513\n");
    const internal = await shows(bird, `show route all for ${VIP.v6}/128`, "[six");
    expect(internal).toMatch(/BGP.as_path: ?\n/);
  }, 60_000);
});

describe("startBgp() with GoBGP", () => {
  test("external by dynamic number, both families, and what GoBGP makes of the capabilities", async () => {
    const { peerASN: _, ...spec } = peerObject().spec!;
    const peer = { ...peerObject(), spec: { ...spec, dynamicASN: "external" as const, dualStackAddressFamily: true } };
    const advert = { metadata: { name: "all", namespace: NAMESPACE }, spec: { communities: ["64513:9"] } };
    const lab = await start(() => ({ ...DUAL, bgpPeers: [peer], bgpAdvertisements: [advert] }));
    const gobgp = await startGobgp(lab, [
      {
        config: { "neighbor-address": lab.nodes[0]!.v4, "peer-as": 64513 },
        timers: { config: { "connect-retry": 1, "hold-time": 9, "keepalive-interval": 3 } },
        transport: { config: { "passive-mode": true } },
        "afi-safis": ["ipv4-unicast", "ipv6-unicast"].map((name) => ({ config: { "afi-safi-name": name } })),
      },
    ]);
    await shows(gobgp, "global rib", `${VIP.v4}/32`, lab.nodes[0]!.v4, "64513:9");
    await shows(gobgp, "global rib -a ipv6", `${VIP.v6}/128`, lab.nodes[0]!.v6);
    const shown = await gobgp(`neighbor ${lab.nodes[0]!.v4}`);
    expect(shown).toMatch(/route-refresh:\s+advertised and received/);
    expect(shown).toMatch(/4-octet-as:\s+advertised and received/);
    expect(shown).toContain("Hold time is 9");
  });

  test("a number other than the one wanted gets no session, and both sides know why", async () => {
    const lab = await start(() => ({ bgpPeers: [peerObject({ peerASN: 64999 })] }));
    await startGobgp(lab, [
      {
        config: { "neighbor-address": lab.nodes[0]!.v4, "peer-as": 64513 },
        transport: { config: { "passive-mode": true } },
      },
    ]);
    const wrong = "OPEN Message Error/Bad Peer AS";
    await lab.nodes[0]!.until("the reason", ({ state }) => state.peers.router?.why?.includes(wrong), 20_000);
  });
});

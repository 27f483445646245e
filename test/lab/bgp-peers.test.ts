import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import {
  type BgpLab,
  type BgpLabOptions,
  type BgpNode,
  isUp,
  NAMESPACE,
  peerObject,
  ROUTER,
  startBgpLab,
  VIP,
  webService,
} from "./support/bgp-lab.ts";
import type { BgpAnswer } from "./support/bgp-node.ts";
import { type Frr, startFrr } from "./support/frr.ts";

/** Kinds of sessions, each with a router of its own: BIRD, GoBGP, and FRR where it alone can. */
const DEADLINE = { deadline: 20_000 };
let lab: BgpLab | undefined;
afterEach(async () => {
  await lab?.[Symbol.asyncDispose]();
  lab = undefined;
});

async function start(objects: BgpLabOptions["objects"], more: Partial<BgpLabOptions> = {}): Promise<BgpLab> {
  lab = await startBgpLab({ tag: "peers", nodes: 1, objects, ...more });
  return lab;
}

async function startBird(lab: BgpLab, config: readonly string[]): Promise<(command: string) => Promise<string>> {
  const file = join(lab.directory, "bird.conf");
  const socket = join(lab.directory, "bird.ctl");
  writeFileSync(file, `${["router id 192.0.2.1;", "protocol device {}", ...config].join("\n")}\n`);
  lab.daemon("bird", "-f", "-c", file, "-s", socket);
  const ask = (command: string) => lab.inRouter("birdc", "-s", socket, ...command.split(" "));
  await waitFor("birdc", async () => (await ask("show status")) !== "", DEADLINE);
  return ask;
}

async function startGobgp(lab: BgpLab, config: object): Promise<(command: string) => Promise<string>> {
  const file = join(lab.directory, "gobgpd.json");
  writeFileSync(file, JSON.stringify(config));
  lab.daemon("gobgpd", "-t", "json", "-f", file, "--api-hosts", "127.0.0.1:50051");
  const ask = (command: string) => lab.inRouter("gobgp", ...command.split(" "));
  await waitFor("gobgp", async () => (await ask("neighbor")) !== "", DEADLINE);
  return ask;
}

/** What `ask` answers once it has all of `parts`. */
function shows(
  ask: (command: string) => Promise<string>,
  command: string,
  ...parts: readonly string[]
): Promise<string> {
  const look = async () => {
    const text = await ask(command);
    if (!parts.every((part) => text.includes(part))) throw new Error(text);
    return text;
  };
  return waitFor(`"${command}" with ${parts.join(", ")}`, look, DEADLINE);
}

const dual = () => ({ services: [webService({}, [VIP.v4, VIP.v6])] });
const bfdProfiles = [
  {
    metadata: { name: "fast", namespace: NAMESPACE },
    spec: { transmitInterval: 50, receiveInterval: 50, detectMultiplier: 3 },
  },
];

describe("startBgp() with BIRD", () => {
  test("internal, both families over IPv4, with preference, BFD, and a key", async () => {
    const peer = peerObject({ peerASN: 64513, dualStackAddressFamily: true, password: "k", bfdProfile: "fast" });
    const advert = {
      metadata: { name: "all", namespace: NAMESPACE },
      spec: { localPref: 150, communities: ["large:1:2:3"] },
    };
    const { nodes } = await start(() => ({ ...dual(), bgpPeers: [peer], bgpAdvertisements: [advert], bfdProfiles }));
    const bird = await startBird(lab!, [
      'protocol bfd { interface "*" { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; }; }',
      `protocol bgp node { local 192.0.2.1 as 64513; neighbor ${nodes[0]!.v4} as 64513; direct; password "k"; bfd on;
        connect retry time 1; ipv4 { import all; export none; }; ipv6 { import all; export none; }; }`,
    ]);
    const v4 = await shows(
      bird,
      `show route all for ${VIP.v4}/32`,
      "BGP.local_pref: 150",
      "BGP.large_community: (1, 2, 3)",
    );
    expect(v4).toContain(`BGP.next_hop: ${nodes[0]!.v4}`);
    expect(v4).toMatch(/BGP.as_path: ?\n/);
    const v6 = await shows(bird, `show route all for ${VIP.v6}/128`, `BGP.next_hop: ${nodes[0]!.v6}`);
    expect(v6).toContain("BGP.local_pref: 150");
    expect(v6).toContain("BGP.large_community: (1, 2, 3)");
    await shows(bird, "show bfd sessions", nodes[0]!.v4, "Up");
    const shown = await bird("show protocols all node");
    expect(shown).toContain("Established");
    expect(shown).toMatch(/Neighbor capabilities[\s\S]*Multiprotocol[\s\S]*Route refresh[\s\S]*4-octet AS numbers/);
  });

  test("IPv4 routes over an IPv6 session point at an IPv6 address", async () => {
    const peer = peerObject({ peerAddress: ROUTER.v6, dualStackAddressFamily: true });
    const { nodes } = await start(() => ({ ...dual(), bgpPeers: [peer] }));
    const bird = await startBird(lab!, [
      `protocol bgp node { local ${ROUTER.v6} as 64512; neighbor ${nodes[0]!.v6} as 64513; connect retry time 1;
        ipv4 { import all; export none; extended next hop on; }; ipv6 { import all; export none; }; }`,
    ]);
    await shows(bird, `show route all for ${VIP.v4}/32`, `BGP.next_hop: ${nodes[0]!.v6}`);
    await shows(bird, `show route all for ${VIP.v6}/128`, `BGP.next_hop: ${nodes[0]!.v6}`);
  });

  test("a passive node is found by the router, and both dialling at once end with one session", async () => {
    const { nodes } = await start(() => dual(), { listenPort: 179 });
    const bird = await startBird(lab!, [
      `protocol bgp node { local 192.0.2.1 as 64512; neighbor ${nodes[0]!.v4} as 64513; connect delay time 0;
        connect retry time 1; ipv4 { import all; export none; }; }`,
    ]);
    for (let round = 0; round < 5; round++) {
      await shows(bird, `show route for ${VIP.v4}/32`, "[node");
      await shows(bird, "show protocols node", "Established");
      await nodes[0]!.until("one session", (answer) => isUp(answer));
      const sockets = await lab!.inNode(nodes[0]!, "ss", "-Htn", "state", "established");
      expect(sockets.trim().split("\n").length).toBe(1);
      await bird("restart node");
    }
  }, 60_000);

  test("several hops away, with TTL 255, a source address, local AS and GTSM", async () => {
    const annotations = { "ironbridge.io/ttl-security": "1" };
    const peer = peerObject({ localASN: 65001, sourceAddress: "192.0.2.11", routerID: "10.10.10.1" });
    const guarded = { ...peer, metadata: { ...peer.metadata, annotations } };
    const { nodes } = await start(() => ({ ...dual(), bgpPeers: [guarded] }));
    const bird = await startBird(lab!, [
      `protocol bgp node { local 192.0.2.1 as 64512; neighbor ${nodes[0]!.v4} as 65001; ttl security on;
        connect retry time 1; ipv4 { import all; export none; }; }`,
    ]);
    await shows(bird, `show route all for ${VIP.v4}/32`, "BGP.as_path: 65001\n");
    await shows(bird, "show protocols all node", "Neighbor ID:      10.10.10.1");
  });
});

describe("startBgp() with BIRD on addresses of both families", () => {
  test("each peer that is added has sessions with all nodes, and none is lost for it", async () => {
    const { nodes } = await start(() => ({ ...dual(), bgpPeers: [] }), { nodes: 2 });
    const bird = await startBird(
      lab!,
      nodes.flatMap(({ name, v4, v6 }) => [
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
      for (const node of nodes) await node.order({ kind: "set", objects: { bgpPeers } });
      for (const node of nodes) {
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
    const { nodes } = await start(() => ({ ...dual(), bgpPeers: dynamic("internal", "external") }));
    const [node] = nodes;
    const patience = "connect retry time 1; error wait time 1, 1; ";
    const bird = await startBird(lab!, [
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

describe("startBgp() with BFD over several hops", () => {
  test("has a session with BIRD on the port for that", async () => {
    const peer = peerObject({ ebgpMultiHop: true, bfdProfile: "far" });
    // BIRD sends with a TTL of 64 to peers that may be several hops away.
    const far = { metadata: { name: "far", namespace: NAMESPACE }, spec: { ...bfdProfiles[0]!.spec, minimumTtl: 64 } };
    const { nodes } = await start(() => ({ bgpPeers: [peer], bfdProfiles: [far] }));
    const bird = await startBird(lab!, [
      "protocol bfd { multihop { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; }; }",
      `protocol bgp node { local 192.0.2.1 as 64512; neighbor ${nodes[0]!.v4} as 64513; multihop; bfd on;
        connect retry time 1; ipv4 { import all; export none; }; }`,
    ]);
    await shows(bird, `show route for ${VIP.v4}/32`, "[node");
    await shows(bird, "show bfd sessions", nodes[0]!.v4, "Up");
    await nodes[0]!.until("BFD", ({ state }) => state.peers.router?.bfd?.state === "up");
  });
});

describe("startBgp() with BFD and a router that sends echo packets", () => {
  test("sends back those addressed to the node that came no further than a link", async () => {
    const { nodes } = await start(() => ({ ...dual(), bgpPeers: [peerObject({ bfdProfile: "fast" })], bfdProfiles }));
    const [node] = nodes;
    await node!.until("the peer", ({ state }) => state.peers.router?.bfd !== undefined);
    const program = `
      const socket = require("node:dgram").createSocket("udp4");
      const back = [];
      socket.on("message", (bytes, { port }) => back.push(bytes + ":" + port));
      socket.bind(0, "${ROUTER.v4}", async () => {
        for (const [text, ttl] of [["far", 254], ["near1", 255], ["near2", 255]]) {
          socket.setTTL(ttl);
          await new Promise((done) => socket.send(text, 3785, "${node!.v4}", done));
        }
        setInterval(() => { if (back.length > 1) { console.log(back.join()); process.exit(); } }, 10);
        setTimeout(() => process.exit(1), 5000);
      });`;
    expect((await lab!.inRouter(process.execPath, "-e", program)).trim()).toBe("near1:3785,near2:3785");
    const isCounted = ({ metrics }: BgpAnswer) =>
      ["input", "output"].every((each) => metrics.includes(`echo_packet_${each}{peer="192.0.2.1:179"} 2\n`));
    await node!.until("the count", isCounted);
  });

  test("has them go back to FRR, by the node's kernel, and keeps the session", async () => {
    const { nodes } = await start(() => ({ bgpPeers: [peerObject({ bfdProfile: "fast" })], bfdProfiles }));
    const [node] = nodes;
    const frr = await startFrr(lab!, [
      "bfd",
      " profile fast",
      "  transmit-interval 100",
      "  receive-interval 100",
      "  echo-mode",
      "  echo transmit-interval 100",
      "router bgp 64512",
      " no bgp ebgp-requires-policy",
      ` neighbor ${node!.v4} remote-as 64513`,
      ` neighbor ${node!.v4} timers connect 1`,
      ` neighbor ${node!.v4} bfd profile fast`,
    ]);
    const counted = async (what: "input" | "output") =>
      Number(new RegExp(`Echo packet ${what}: (\\d+)`).exec(await frr.text("show bfd peers counters"))?.[1]);
    await waitFor("echo packets that come back", async () => (await counted("input")) > 20, DEADLINE);
    expect((await counted("output")) - (await counted("input"))).toBeLessThan(5);
    const { state } = await node!.until("BFD", (answer) => answer.state.peers.router?.bfd?.state === "up");
    expect(state.peers.router?.bfd?.downs).toBe(0);
    const [peer] = (await frr.show("show bfd peers")) as unknown as readonly Record<string, unknown>[];
    expect(peer).toMatchObject({ status: "up", "echo-transmit-interval": 100 });
  }, 60_000);
});

describe("startBgp() with GoBGP", () => {
  test("external by dynamic number, both families, and what GoBGP makes of the capabilities", async () => {
    const { peerASN: _, ...spec } = peerObject().spec!;
    const peer = { ...peerObject(), spec: { ...spec, dynamicASN: "external" as const, dualStackAddressFamily: true } };
    const advert = { metadata: { name: "all", namespace: NAMESPACE }, spec: { communities: ["64513:9"] } };
    const { nodes } = await start(() => ({ ...dual(), bgpPeers: [peer], bgpAdvertisements: [advert] }));
    const gobgp = await startGobgp(lab!, {
      global: { config: { as: 64512, "router-id": "192.0.2.1" } },
      neighbors: [
        {
          config: { "neighbor-address": nodes[0]!.v4, "peer-as": 64513 },
          timers: { config: { "connect-retry": 1, "hold-time": 9, "keepalive-interval": 3 } },
          transport: { config: { "passive-mode": true } },
          "afi-safis": ["ipv4-unicast", "ipv6-unicast"].map((name) => ({ config: { "afi-safi-name": name } })),
        },
      ],
    });
    await shows(gobgp, "global rib", `${VIP.v4}/32`, nodes[0]!.v4, "64513:9");
    await shows(gobgp, "global rib -a ipv6", `${VIP.v6}/128`, nodes[0]!.v6);
    const shown = await gobgp(`neighbor ${nodes[0]!.v4}`);
    expect(shown).toMatch(/route-refresh:\s+advertised and received/);
    expect(shown).toMatch(/4-octet-as:\s+advertised and received/);
    expect(shown).toContain("Hold time is 9");
  });

  test("a number other than the one wanted gets no session, and both sides know why", async () => {
    const { nodes } = await start(() => ({ bgpPeers: [peerObject({ peerASN: 64999 })] }));
    await startGobgp(lab!, {
      global: { config: { as: 64512, "router-id": "192.0.2.1" } },
      neighbors: [
        {
          config: { "neighbor-address": nodes[0]!.v4, "peer-as": 64513 },
          transport: { config: { "passive-mode": true } },
        },
      ],
    });
    const wrong = "OPEN Message Error/Bad Peer AS";
    await nodes[0]!.until("the reason", ({ state }) => state.peers.router?.why?.includes(wrong), 20_000);
  });
});

describe("startBgp() with FRR", () => {
  const config = (address: string, ...lines: readonly string[]) => [
    "router bgp 64512",
    " bgp router-id 192.0.2.1",
    " no bgp ebgp-requires-policy",
    " bgp graceful-restart",
    " bgp graceful-restart preserve-fw-state",
    ` neighbor ${address} remote-as 64513`,
    ` neighbor ${address} timers connect 1`,
    ...lines,
  ];
  const hasRoute = async (frr: Frr) =>
    ((await frr.show(`show bgp ipv4 unicast ${VIP.v4}/32`)).paths as unknown[] | undefined)?.length === 1;
  const isStale = async (frr: Frr) =>
    JSON.stringify([
      await frr.show(`show bgp ipv4 unicast ${VIP.v4}/32`),
      await frr.show(`show bgp ipv6 unicast ${VIP.v6}/128`),
    ]).includes("stale");

  /** The router's kernel has no route of one family or the other. */
  async function isLost({ v4 }: BgpNode): Promise<boolean> {
    const shown = await lab!.inRouter("ip", "route", "show", VIP.v4);
    return !shown.includes(v4) || !(await lab!.inRouter("ip", "-6", "route", "show", VIP.v6)).includes("via");
  }

  test("keeps the routes of both families while an agent restarts gracefully, and flushes them for another", async () => {
    const peer = (enableGracefulRestart: boolean) =>
      peerObject({ enableGracefulRestart, dualStackAddressFamily: true, bfdProfile: "fast" });
    const { nodes } = await start(() => ({ ...dual(), bgpPeers: [peer(true)], bfdProfiles }));
    const [node] = nodes as [BgpNode];
    const bfd = ` neighbor ${node.v4} bfd check-control-plane-failure`;
    const both = [" address-family ipv6 unicast", `  neighbor ${node.v4} activate`, " exit-address-family"];
    const frr = await startFrr(lab!, config(node.v4, bfd, ...both));
    const neighbour = async () =>
      (await frr.show(`show bgp neighbors ${node.v4}`))[node.v4] as {
        readonly bgpState: string;
        readonly gracefulRestartInfo: { readonly remoteGrMode: string; readonly nBit: boolean };
      };
    await node.until("BFD", ({ state }) => state.peers.router?.bfd?.state === "up", 20_000);
    await node.until("a session", (answer) => isUp(answer), 20_000);
    expect((await neighbour()).gracefulRestartInfo).toMatchObject({ remoteGrMode: "Restart", nBit: true });
    await waitFor("both routes", async () => !(await isLost(node)), DEADLINE);
    const looks: Promise<boolean>[] = [];
    const looking = setInterval(() => looks.push(isLost(node)), 100);
    await node.stop();
    await waitFor("stale routes", () => isStale(frr), DEADLINE);
    node.start();
    await node.until("a session", (answer) => isUp(answer), 20_000);
    await waitFor("fresh routes", async () => !(await isStale(frr)), DEADLINE);
    clearInterval(looking);
    expect((await Promise.all(looks)).filter((lost) => lost)).toEqual([]);

    await node.order({ kind: "set", objects: { bgpPeers: [peer(false)] } });
    const isPlain = async () => {
      const { bgpState, gracefulRestartInfo } = await neighbour();
      return bgpState === "Established" && gracefulRestartInfo.remoteGrMode !== "Restart";
    };
    await waitFor("a session without graceful restart", isPlain, DEADLINE);
    await waitFor("both routes", async () => !(await isLost(node)), DEADLINE);
    await node.stop();
    await waitFor("no route", () => isLost(node), DEADLINE);
  }, 60_000);

  test("leaves no route behind when the BGPPeer of a graceful restart is deleted", async () => {
    const { nodes } = await start(() => ({ bgpPeers: [peerObject({ enableGracefulRestart: true })] }));
    const frr = await startFrr(lab!, config(nodes[0]!.v4));
    await waitFor("the route", () => hasRoute(frr), DEADLINE);
    await nodes[0]!.order({ kind: "delete", from: "bgpPeers", keys: [`${NAMESPACE}/router`] });
    await waitFor("no route", async () => !(await hasRoute(frr)), DEADLINE);
  }, 60_000);

  test("finds the router of an interface without being told an address, with BFD", async () => {
    const { peerAddress: _, ...spec } = peerObject({ interface: "eth0", bfdProfile: "fast" }).spec!;
    const { nodes } = await start(() => ({ ...dual(), bgpPeers: [{ ...peerObject(), spec }], bfdProfiles }));
    const frr = await startFrr(lab!, [
      "bfd",
      " profile fast",
      "  transmit-interval 50",
      "  receive-interval 50",
      "router bgp 64512",
      " bgp router-id 192.0.2.1",
      " no bgp ebgp-requires-policy",
      " neighbor lan0 interface remote-as external",
      " neighbor lan0 timers connect 1",
      " neighbor lan0 bfd profile fast",
      " address-family ipv6 unicast",
      "  neighbor lan0 activate",
      " exit-address-family",
    ]);
    await nodes[0]!.until("a session", (answer) => isUp(answer), 25_000);
    const link = /fe80::[0-9a-f:]+/.exec(
      await lab!.inNode(nodes[0]!, "ip", "-6", "address", "show", "dev", "eth0"),
    )?.[0];
    const via = async (family: string, prefix: string) =>
      JSON.stringify(await frr.show(`show bgp ${family} unicast ${prefix}`));
    await waitFor("IPv4 by IPv6", async () => (await via("ipv4", `${VIP.v4}/32`)).includes(link!), DEADLINE);
    await waitFor("IPv6", async () => (await via("ipv6", `${VIP.v6}/128`)).includes(link!), DEADLINE);
    const isReached = async () => {
      const text = await lab!.inRouter("ip", "route", "show", VIP.v4);
      return text.includes(`inet6 ${link}`);
    };
    await waitFor("the route in the router's kernel", isReached, DEADLINE);
    await nodes[0]!.until("BFD", ({ state }) => state.peers.router?.bfd?.state === "up");
  }, 60_000);

  test("removes the routes of a node whose agent stops for good", async () => {
    const { nodes } = await start(() => ({}));
    const frr = await startFrr(lab!, config(nodes[0]!.v4));
    await waitFor("the route", () => hasRoute(frr), DEADLINE);
    const stopped = nodes[0]!.stop();
    const warned = async () =>
      JSON.stringify(await frr.show(`show bgp ipv4 unicast ${VIP.v4}/32`)).includes("graceful-shutdown") ||
      JSON.stringify(await frr.show(`show bgp ipv4 unicast ${VIP.v4}/32`)).includes("65535:0");
    await waitFor("the community GRACEFUL_SHUTDOWN", warned, DEADLINE);
    await stopped;
    await waitFor("no route", async () => !(await hasRoute(frr)), DEADLINE);
  }, 60_000);
});

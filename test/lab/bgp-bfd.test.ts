import { describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { DUAL, FAST, NAMESPACE, peerObject, ROUTER, VIP } from "./support/bgp-lab.ts";
import type { BgpAnswer } from "./support/bgp-node.ts";
import { startFrr } from "./support/frr.ts";
import { labPerTest } from "./support/lab-per-test.ts";
import { shows, startBird } from "./support/text-routers.ts";

/** BFD beyond the plain session: several hops, and echo packets. */
const DEADLINE = { deadline: 20_000 };
const start = labPerTest("bfd");

describe("startBgp() with BFD over several hops", () => {
  test("has a session with BIRD on the port for that", async () => {
    const peer = peerObject({ ebgpMultiHop: true, bfdProfile: "far" });
    // BIRD sends with a TTL of 64 to peers that may be several hops away.
    const far = { metadata: { name: "far", namespace: NAMESPACE }, spec: { ...FAST.spec, minimumTtl: 64 } };
    const lab = await start(() => ({ bgpPeers: [peer], bfdProfiles: [far] }));
    const bird = await startBird(lab, [
      "protocol bfd { multihop { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; }; }",
      `protocol bgp node { local 192.0.2.1 as 64512; neighbor ${lab.nodes[0]!.v4} as 64513; multihop; bfd on;
        connect retry time 1; ipv4 { import all; export none; }; }`,
    ]);
    await shows(bird, `show route for ${VIP.v4}/32`, "[node");
    await shows(bird, "show bfd sessions", lab.nodes[0]!.v4, "Up");
    await lab.nodes[0]!.until("BFD", ({ state }) => state.peers.router?.bfd?.state === "up");
  });
});

describe("startBgp() with BFD and a router that sends echo packets", () => {
  test("sends back those addressed to the node that came no further than a link", async () => {
    const lab = await start(() => ({ ...DUAL, bgpPeers: [peerObject({ bfdProfile: "fast" })], bfdProfiles: [FAST] }));
    const [node] = lab.nodes;
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
    expect((await lab.inRouter(process.execPath, "-e", program)).trim()).toBe("near1:3785,near2:3785");
    const isCounted = ({ metrics }: BgpAnswer) =>
      ["input", "output"].every((each) => metrics.includes(`echo_packet_${each}{peer="192.0.2.1:179"} 2\n`));
    await node!.until("the count", isCounted);
  });

  test("has them go back to FRR, by the node's kernel, and keeps the session, by a profile with echoMode too", async () => {
    // Slow ones: it is about echo packets, not about how long a busy machine keeps FRR waiting.
    const slow = { receiveInterval: 500, transmitInterval: 500, echoMode: true };
    const echoing = { ...FAST, spec: { ...FAST.spec, ...slow } };
    const lab = await start(() => ({ bgpPeers: [peerObject({ bfdProfile: "fast" })], bfdProfiles: [echoing] }));
    const [node] = lab.nodes;
    const frr = await startFrr(lab, [
      "bfd",
      " profile fast",
      "  transmit-interval 500",
      "  receive-interval 500",
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

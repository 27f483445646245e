import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import type { V1Secret } from "../../kube/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type BgpLab, type BgpNode, isUp, NAMESPACE, peerObject, ROUTER, VIP } from "./support/bgp-lab.ts";
import { startFrr } from "./support/frr.ts";
import { labPerTest } from "./support/lab-per-test.ts";
import { tcpCount } from "./support/tcp-count.ts";

/** Nodes that wait for FRR to connect. */
const DEADLINE = { deadline: 20_000 };
const start = labPerTest("passive");
let holder: ChildProcess | undefined;
afterEach(() => void holder?.kill("SIGKILL"));

const passive = (spec: Parameters<typeof peerObject>[0], name?: string) => {
  const object = peerObject(spec, name);
  return { ...object, metadata: { ...object.metadata, annotations: { "ironbridge.io/passive": "true" } } };
};
const secretOf = (password: string): V1Secret => ({
  metadata: { name: "key", namespace: NAMESPACE },
  type: "kubernetes.io/basic-auth",
  data: { password: Buffer.from(password).toString("base64") },
});

function frrLines({ v4, v6 }: BgpNode, password: string): readonly string[] {
  return [
    "router bgp 64512",
    " bgp router-id 192.0.2.1",
    " no bgp ebgp-requires-policy",
    ...[v4, v6].flatMap((address) => [` neighbor ${address} remote-as 64513`, ` neighbor ${address} timers connect 1`]),
    ` neighbor ${v4} password ${password}`,
    " address-family ipv6 unicast",
    `  neighbor ${v6} activate`,
  ];
}

/** Ends of the node's connections: "192.0.2.11:179 192.0.2.1:35000". */
async function connections(lab: BgpLab, node: BgpNode): Promise<string[]> {
  const shown = await lab.inNode(node, "ss", "-Htn", "state", "established");
  return shown.split("\n").flatMap((line) => (line === "" ? [] : [line.trim().split(/\s+/).slice(-2).join(" ")]));
}

describe("startBgp() with FRR that dials", () => {
  test("never dials itself, and takes the router with the right key, each time it comes", async () => {
    const four = passive({ passwordSecret: { name: "key" } });
    const lab = await start(() => ({ bgpPeers: [four], secrets: [secretOf("right")] }), { listenPort: 179 });
    const [node] = lab.nodes as [BgpNode];
    const frr = await startFrr(lab, frrLines(node, "wrong"));
    const refused = () => tcpCount((...command) => lab.inNode(node, ...command), "TCPMD5Failure");
    await waitFor("segments the kernel drops", async () => (await refused()) > 1, DEADLINE);
    const { state } = await node.order({ kind: "tell" });
    expect(state.peers.router).toMatchObject({ phase: "active", why: "the peer has not connected" });
    await frr.text("configure terminal", "router bgp 64512", `neighbor ${node.v4} password right`);
    for (const losses of [0, 1]) {
      await node.until("a session", (answer) => isUp(answer) && answer.state.peers.router?.losses === losses, 20_000);
      const route = `show bgp ipv4 unicast ${VIP.v4}/32`;
      await waitFor("the route", async () => (await frr.text(route)).includes(node.v4), DEADLINE);
      const ends = await connections(lab, node);
      expect(ends).toEqual([expect.stringMatching(new RegExp(`^${node.v4}:179 ${ROUTER.v4}:`))]);
      if (losses === 0) await frr.text(`clear bgp ${node.v4}`);
    }
  }, 60_000);

  test("a key that no kernel takes costs other peers nothing", async () => {
    const four = passive({ passwordSecret: { name: "key" } });
    const six = passive({ peerAddress: ROUTER.v6 }, "six");
    const lab = await start(() => ({ bgpPeers: [four, six], secrets: [secretOf("x".repeat(81))] }), {
      listenPort: 179,
    });
    const [node] = lab.nodes as [BgpNode];
    await startFrr(lab, frrLines(node, "right"));
    await node.until("a session", (answer) => isUp(answer, "six"), 20_000);
    const { state } = await node.order({ kind: "tell" });
    expect(state.peers.router?.why).toMatch(/Secret metallb-system\/key is 81 octets long/);
    await node.order({ kind: "set", objects: { secrets: [secretOf("right")] } });
    const { state: after } = await node.until("both", (answer) => isUp(answer) && isUp(answer, "six"), 20_000);
    expect(after.peers.six?.losses).toBe(0);
  }, 60_000);

  test("takes connections once another program leaves the port to it", async () => {
    const lab = await start(() => ({ bgpPeers: [passive({})] }), { listenPort: 179 });
    const [node] = lab.nodes as [BgpNode];
    await node.stop();
    const hold = 'require("net").createServer().listen(179, "0.0.0.0", () => console.log("held"))';
    const args = [`--net=/run/netns/${node.netns}`, process.execPath, "-e", hold];
    holder = spawn("nsenter", args, { stdio: ["ignore", "pipe", "inherit"] });
    await once(holder.stdout!, "data");
    node.start();
    await startFrr(
      lab,
      frrLines(node, "right").filter((line) => !line.includes("password")),
    );
    const { state } = await node.until("the reason", (answer) => answer.state.peers.router?.why?.includes("179"));
    expect(state.peers.router?.why).toMatch(/in use/i);
    holder.kill("SIGKILL");
    await node.until("a session", (answer) => isUp(answer), 25_000);
  }, 60_000);

  test("says what is missing when the agent takes no connections", async () => {
    const lab = await start(() => ({ bgpPeers: [passive({})] }));
    const [node] = lab.nodes as [BgpNode];
    await node.until("the reason", ({ state }) => state.peers.router?.why?.includes("--bgp-listen-port 179"));
  });
});

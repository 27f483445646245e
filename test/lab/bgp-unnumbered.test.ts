import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import {
  type BgpLab,
  type BgpNode,
  clusterNodes,
  DUAL,
  FAST,
  isUp,
  peerObject,
  startBgpLab,
  VIP,
} from "./support/bgp-lab.ts";
import { FAST_BFD, type Frr, startFrr } from "./support/frr.ts";

/** Two nodes on links of their own to FRR that have no addresses but link-local ones: the interface is all they know. */
const DEADLINE = { deadline: 20_000 };
const CLUSTER = ["10.244.0.0/16", "2001:db8:244::/48"];
/** Pod prefixes of a node, and an address of each that answers in the place of pods. */
const podsOf = (number: number) => ({
  v4: { prefix: `10.244.${number}.0/24`, address: `10.244.${number}.1` },
  v6: { prefix: `2001:db8:244:${number}::/64`, address: `2001:db8:244:${number}::1` },
});
const FAMILIES = [
  { family: "v4", flag: "-4", via: "via inet6" },
  { family: "v6", flag: "-6", via: "via" },
] as const;
let lab: BgpLab;
let frr: Frr;
let first: BgpNode;
let second: BgpNode;

beforeAll(async () => {
  const { peerAddress: _, ...spec } = peerObject({ interface: "eth0", bfdProfile: "fast" }).spec!;
  lab = await startBgpLab({
    tag: "unnum",
    nodes: 2,
    clusterCidrs: CLUSTER,
    objects: (hosts) => ({
      ...DUAL,
      nodes: clusterNodes(hosts).map((node, i) => {
        const { v4, v6 } = podsOf(i + 1);
        return { ...node, spec: { podCIDRs: [v4.prefix, v6.prefix] } };
      }),
      bgpPeers: [{ ...peerObject(), spec }],
      bfdProfiles: [FAST],
    }),
  });
  [first, second] = lab.nodes as [BgpNode, BgpNode];
  for (const [i, node] of lab.nodes.entries()) {
    await lab.inRouter("ip", "link", "set", "dev", node.name, "nomaster");
    await lab.inNode(node, "ip", "address", "flush", "dev", "eth0", "scope", "global");
    const { v4, v6 } = podsOf(i + 1);
    for (const { address } of [v4, v6]) await lab.inNode(node, "ip", "address", "add", address, "dev", "lo");
  }
  const ports = (...lines: readonly string[]) =>
    lab.nodes.flatMap(({ name }) => lines.map((line) => ` neighbor ${name} ${line}`));
  frr = await startFrr(lab, [
    ...FAST_BFD,
    "router bgp 64512",
    " bgp router-id 192.0.2.1",
    " no bgp ebgp-requires-policy",
    ...ports("interface remote-as external", "timers connect 1", "bfd profile fast"),
    // The nodes are in one autonomous system, so each would take the other's routes for its own that came back.
    " address-family ipv4 unicast",
    ...ports("as-override"),
    " exit-address-family",
    " address-family ipv6 unicast",
    ...ports("activate", "as-override"),
    " exit-address-family",
  ]);
  for (const node of lab.nodes) await node.until("a session", (answer) => isUp(answer), 30_000);
}, 90_000);
afterAll(() => lab?.[Symbol.asyncDispose]());

/** The link-local address of an interface. */
async function linkLocal(show: (...command: readonly string[]) => Promise<string>, device: string): Promise<string> {
  const text = await show("ip", "-6", "address", "show", "dev", device, "scope", "link");
  return /fe80::[0-9a-f:]+/.exec(text)?.[0] ?? "";
}
const ofNode = (node: BgpNode) => linkLocal((program, ...args) => lab.inNode(node, program!, ...args), "eth0");
const ofPort = (node: BgpNode) => linkLocal((program, ...args) => lab.inRouter(program!, ...args), node.name);

describe("startBgp() with FRR on links without addresses", () => {
  test("finds the router, and tells it of both families by the link-local address", async () => {
    const link = await ofNode(first);
    for (const [family, prefix] of [
      ["ipv4", `${VIP.v4}/32`],
      ["ipv6", `${VIP.v6}/128`],
    ]) {
      const told = async () => JSON.stringify(await frr.show(`show bgp ${family} unicast ${prefix}`)).includes(link);
      await waitFor(`${prefix} by ${link}`, told, DEADLINE);
    }
    const isReached = async () => (await lab.inRouter("ip", "route", "show", VIP.v4)).includes(`inet6 ${link}`);
    await waitFor("the route in the router's kernel", isReached, DEADLINE);
  }, 60_000);

  test.each(FAMILIES)(
    "takes ways to pods by the router's link-local address: $family",
    async ({ family, flag, via }) => {
      for (const [node, number] of [
        [first, 2],
        [second, 1],
      ] as const) {
        const way = `${podsOf(number)[family].prefix} ${via} ${await ofPort(node)} dev eth0`;
        const isThere = async () => (await lab.inNode(node, "ip", flag, "route", "show", "proto", "73")).includes(way);
        await waitFor(`${way} on ${node.name}`, isThere, DEADLINE);
      }
      const [from, to] = [podsOf(1)[family].address, podsOf(2)[family].address];
      await lab.inNode(first, "ping", "-c", "1", "-W", "2", "-I", from, to);
    },
    60_000,
  );

  test("has a BFD session on each link, by the values of the profile, as FRR sees it", async () => {
    for (const node of lab.nodes) {
      await node.until("BFD", ({ state }) => state.peers.router?.bfd?.state === "up");
      const link = await ofNode(node);
      const isSeen = async () => {
        const peers = (await frr.show("show bfd peers")) as unknown as readonly Record<string, unknown>[];
        return peers.find(({ peer, status }) => peer === link && status === "up");
      };
      expect(await waitFor(`FRR's session with ${link}`, isSeen, DEADLINE)).toMatchObject({
        interface: node.name,
        multihop: false,
        "remote-receive-interval": 50,
        "remote-transmit-interval": 50,
        "remote-detect-multiplier": 3,
      });
    }
  }, 60_000);

  test("ends the session of the link on which BFD hears no more, long before the hold time, and no other", async () => {
    const losses = async (node: BgpNode) => (await node.order({ kind: "tell" })).state.peers.router?.losses;
    const before = await losses(second);
    const deafen = [
      "add table netdev deaf",
      `add chain netdev deaf in { type filter hook ingress device eth0 priority 0; }`,
    ];
    deafen.push("add rule netdev deaf in udp dport 3784 drop");
    await lab.inNode(first, "nft", deafen.join("; "));
    const why = ({ state }: Awaited<ReturnType<BgpNode["order"]>>) => state.peers.router?.why?.includes("BFD");
    await first.until("the loss", why, 20_000);
    await lab.inNode(first, "nft", "delete table netdev deaf");
    await first.until("a session", (answer) => isUp(answer), 30_000);
    expect(await losses(second)).toBe(before);
  }, 60_000);
});

import { describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { type BgpLab, type BgpNode, DUAL, FAST, isUp, NAMESPACE, peerObject, VIP } from "./support/bgp-lab.ts";
import { type Frr, startFrr } from "./support/frr.ts";
import { labPerTest } from "./support/lab-per-test.ts";

/** What FRR makes of a node whose agent restarts, stops, or is told to have another peer. */
const DEADLINE = { deadline: 20_000 };
const start = labPerTest("restart");

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
  async function isLost(lab: BgpLab, { v4 }: BgpNode): Promise<boolean> {
    const shown = await lab.inRouter("ip", "route", "show", VIP.v4);
    return !shown.includes(v4) || !(await lab.inRouter("ip", "-6", "route", "show", VIP.v6)).includes("via");
  }

  test("keeps the routes of both families while an agent restarts gracefully, and flushes them for another", async () => {
    const peer = (enableGracefulRestart: boolean) =>
      peerObject({ enableGracefulRestart, dualStackAddressFamily: true, bfdProfile: "fast" });
    const lab = await start(() => ({ ...DUAL, bgpPeers: [peer(true)], bfdProfiles: [FAST] }));
    const [node] = lab.nodes as [BgpNode];
    const bfd = ` neighbor ${node.v4} bfd check-control-plane-failure`;
    const both = [" address-family ipv6 unicast", `  neighbor ${node.v4} activate`, " exit-address-family"];
    const frr = await startFrr(lab, config(node.v4, bfd, ...both));
    const neighbour = async () =>
      (await frr.show(`show bgp neighbors ${node.v4}`))[node.v4] as {
        readonly bgpState: string;
        readonly gracefulRestartInfo: { readonly remoteGrMode: string; readonly nBit: boolean };
      };
    await node.until("BFD", ({ state }) => state.peers.router?.bfd?.state === "up", 20_000);
    await node.until("a session", (answer) => isUp(answer), 20_000);
    expect((await neighbour()).gracefulRestartInfo).toMatchObject({ remoteGrMode: "Restart", nBit: true });
    await waitFor("both routes", async () => !(await isLost(lab, node)), DEADLINE);
    const looks: Promise<boolean>[] = [];
    const looking = setInterval(() => looks.push(isLost(lab, node)), 100);
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
    await waitFor("both routes", async () => !(await isLost(lab, node)), DEADLINE);
    await node.stop();
    await waitFor("no route", () => isLost(lab, node), DEADLINE);
  }, 60_000);

  test("leaves no route behind when the BGPPeer of a graceful restart is deleted", async () => {
    const lab = await start(() => ({ bgpPeers: [peerObject({ enableGracefulRestart: true })] }));
    const frr = await startFrr(lab, config(lab.nodes[0]!.v4));
    await waitFor("the route", () => hasRoute(frr), DEADLINE);
    await lab.nodes[0]!.order({ kind: "delete", from: "bgpPeers", keys: [`${NAMESPACE}/router`] });
    await waitFor("no route", async () => !(await hasRoute(frr)), DEADLINE);
  }, 60_000);

  test("removes the routes of a node whose agent stops for good", async () => {
    const lab = await start(() => ({}));
    const frr = await startFrr(lab, config(lab.nodes[0]!.v4));
    await waitFor("the route", () => hasRoute(frr), DEADLINE);
    const stopped = lab.nodes[0]!.stop();
    const warned = async () =>
      JSON.stringify(await frr.show(`show bgp ipv4 unicast ${VIP.v4}/32`)).includes("graceful-shutdown") ||
      JSON.stringify(await frr.show(`show bgp ipv4 unicast ${VIP.v4}/32`)).includes("65535:0");
    await waitFor("the community GRACEFUL_SHUTDOWN", warned, DEADLINE);
    await stopped;
    await waitFor("no route", async () => !(await hasRoute(frr)), DEADLINE);
  }, 60_000);
});

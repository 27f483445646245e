import { readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { isUp, VIP } from "./support/bgp-lab.ts";
import type { BgpAnswer } from "./support/bgp-node.ts";
import { type FrrLab, routerPeer, SECRET_KEY, startFrrLab } from "./support/frr-lab.ts";
import { tcpCount } from "./support/tcp-count.ts";

/** Sessions of two nodes with one FRR: what is agreed on, how they end, and how they come back. */
let site: FrrLab;
const DEADLINE = { deadline: 15_000 };
beforeAll(async () => {
  site = await startFrrLab("frrsession");
}, 90_000);
afterAll(() => site?.[Symbol.asyncDispose]());

const nodes = (family: "v4" | "v6") => site.lab.nodes.map((node) => node[family]);

describe("startBgp() with FRR", () => {
  test("agrees on the hold time, and tells what it can do", async () => {
    const shown = await site.frr.show(`show bgp neighbors ${site.first.v4}`);
    expect(shown[site.first.v4]).toMatchObject({
      bgpState: "Established",
      remoteAs: 64513,
      remoteRouterId: site.first.v4,
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
      const neighbour = (await site.frr.show(`show bgp neighbors ${address}`))[address] as {
        neighborCapabilities: { multiprotocolExtensions: object };
      };
      return Object.keys(neighbour.neighborCapabilities.multiprotocolExtensions);
    };
    expect([await familiesOf(site.first.v4), await familiesOf(site.first.v6)]).toEqual([
      ["ipv4Unicast"],
      ["ipv6Unicast"],
    ]);
  });

  const bfdPeers: { family: "v4" | "v6"; profile: string; transmit: number; receive: number; multiplier: number }[] = [
    { family: "v4", profile: "with values", transmit: 100, receive: 150, multiplier: 4 },
    { family: "v6", profile: "without values", transmit: 300, receive: 300, multiplier: 3 },
  ];
  test.each(bfdPeers)("has BFD sessions over $family by a profile $profile", async ({ family, ...times }) => {
    for (const node of site.lab.nodes) {
      const peer = await waitFor(
        "BFD",
        async () => {
          const all = (await site.frr.show("show bfd peers")) as unknown as readonly Record<string, unknown>[];
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
    await site.first.until("the metric", isTold);
    const { metrics } = await site.first.order({ kind: "tell" });
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

  test("sends its routes again when asked to", async () => {
    const refreshes = async () =>
      Number(
        /updates_total\{peer="192.0.2.1:179"\} (\d+)/.exec((await site.first.order({ kind: "tell" })).metrics)?.[1],
      );
    const before = await refreshes();
    await site.frr.text(`clear bgp ipv4 unicast ${site.first.v4} soft in`);
    await waitFor("more UPDATEs", async () => (await refreshes()) > before, DEADLINE);
    await site.pathsVia(`${VIP.v4}/32`, nodes("v4"));
  });

  test("has its sessions back within twice the connect time when the router clears them", async () => {
    const { losses = 0 } = (await site.first.order({ kind: "tell" })).state.peers.router ?? {};
    await site.frr.text("clear bgp *");
    const isBack = (answer: BgpAnswer) => isUp(answer) && (answer.state.peers.router?.losses ?? 0) > losses;
    await site.first.until("a session after the loss", isBack, 10_000);
    await site.announcedByAll();
  });

  test("takes another hold time with a new session", async () => {
    const negotiated = async () => {
      const { [site.first.v4]: neighbour } = await site.frr.show(`show bgp neighbors ${site.first.v4}`);
      const { bgpTimerHoldTimeMsecs, bgpState } = neighbour as Record<string, unknown>;
      return bgpState === "Established" && bgpTimerHoldTimeMsecs;
    };
    for (const seconds of [57, 30]) {
      await site.set({ bgpPeers: [routerPeer({ holdTime: `${seconds}s`, keepaliveTime: "10s" })] });
      await waitFor(`${seconds} s`, async () => (await negotiated()) === seconds * 1000, DEADLINE);
    }
    await site.announcedByAll();
  });

  test("refuses a peer with another TCP-MD5 key, and takes it with the right one", async () => {
    await site.frr.text("configure terminal", "router bgp 64512", `neighbor ${site.first.v6} password wrong`);
    await site.first.until("no session", ({ state }) => state.peers.router6?.phase !== "established");
    const shown = await site.frr.show(`show bgp neighbors ${site.first.v6}`);
    expect(shown[site.first.v6]).not.toMatchObject({ bgpState: "Established" });
    const refused = () => tcpCount(site.lab.inRouter, "TCPMD5Failure");
    const before = await refused();
    await waitFor("segments the kernel drops", async () => (await refused()) > before, DEADLINE);
    expect((await site.first.order({ kind: "tell" })).state.peers.router6?.phase).not.toBe("established");
    await site.frr.text("configure terminal", "router bgp 64512", `neighbor ${site.first.v6} password ${SECRET_KEY}`);
    await site.first.until("a session", (answer) => isUp(answer, "router6"), 40_000);
  }, 60_000);

  test("loses the session within moments when BFD misses the router, and has it again afterwards", async () => {
    await site.lab.inRouter("ip", "link", "set", "dev", "node1", "nomaster");
    await site.pathsVia(`${VIP.v4}/32`, [site.lab.nodes[1]!.v4]);
    await site.first.until("no session", ({ state }) => state.peers.router?.phase !== "established", 5_000);
    await site.lab.inRouter("ip", "link", "set", "dev", "node1", "master", "lan0");
    await site.pathsVia(`${VIP.v4}/32`, nodes("v4"));
  }, 60_000);

  test("lets the thread of BGP and BFD go first, and no other", async () => {
    const { pid } = site.first.process;
    // proc(5): the 19th field of stat is the nice value, the 17th behind the name.
    const nices = readdirSync(`/proc/${pid}/task`).map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8").split(") ")[1]?.split(" ")[16]),
    );
    expect(nices.filter((nice) => nice === constants.priority.PRIORITY_HIGH)).toHaveLength(1);
  });

  test("keeps BGP and BFD going while the main thread is busy", async () => {
    const before = await site.first.until(
      "sessions",
      (answer) => isUp(answer) && answer.state.peers.router?.bfd?.state === "up",
    );
    const after = await site.first.order({ kind: "block", milliseconds: 4000 });
    const { losses, bfd } = before.state.peers.router ?? {};
    await site.first.until("news", ({ state }) => (state.peers.router?.bfd?.sent ?? 0) > (bfd?.sent ?? 0) + 20);
    const now = await site.first.order({ kind: "tell" });
    expect(now.state.peers.router).toMatchObject({
      phase: "established",
      losses,
      bfd: { state: "up", downs: bfd?.downs },
    });
    expect(after.ready).toBe(true);
  });

  test("counts the loss of BFD when the router ends it, and has a session without", async () => {
    const isBfdUp = ({ state }: BgpAnswer) => state.peers.router6?.bfd?.state === "up";
    const { state } = await site.first.until("BFD", isBfdUp);
    const told = (metrics: string, name: string, value: number) =>
      metrics.includes(`metallb_bfd_${name}{peer="[2001:db8:1::1]:179"} ${value}\n`);
    const downs = (state.peers.router6?.bfd?.downs ?? 0) + 1;
    await site.frr.text("configure terminal", "router bgp 64512", `no neighbor ${site.first.v6} bfd`);
    const isCounted = ({ metrics }: BgpAnswer) =>
      told(metrics, "session_up", 0) && told(metrics, "session_down_events", downs);
    await site.first.until("the loss", isCounted);
    await site.first.until("a session without BFD", (answer) => isUp(answer, "router6") && !isBfdUp(answer));
  });

  test("says that it stops, and why", async () => {
    await site.first.stop();
    const look = async () => {
      const shown = await site.frr.show(`show bgp neighbors ${site.first.v6}`);
      const neighbour = shown[site.first.v6] as Record<string, unknown>;
      return neighbour.bgpState !== "Established" && neighbour;
    };
    const neighbour = await waitFor("the end of the session", look, DEADLINE);
    expect(neighbour).toMatchObject({
      lastNotificationReason: "Cease/Administrative Shutdown",
      lastShutdownDescription: "the speaker of this node stops",
    });
    site.first.start();
    await site.pathsVia(`${VIP.v4}/32`, nodes("v4"));
  }, 60_000);
});

import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { V1Service } from "../../kube/mod.ts";
import { waitFor } from "../support/wait.ts";
import {
  type BgpLab,
  type BgpNode,
  isUp,
  peerObject,
  ROUTER,
  startBgpLab,
  webService,
  webSlice,
} from "./support/bgp-lab.ts";
import { startFrr } from "./support/frr.ts";

/** One good router, FRR, and beside it one that means no good. */
const BAD = "192.0.2.3";
const SERVICES = 2000;
/** Octets the agent may grow by. */
const MOST_MEMORY = 96 * 1024 * 1024;
let lab: BgpLab;
let node: BgpNode;

beforeAll(async () => {
  lab = await startBgpLab({
    tag: "hostile",
    nodes: 1,
    listenPort: 179,
    objects: () => ({
      bgpPeers: [peerObject({ holdTime: "9s", keepaliveTime: "3s" }), peerObject({ peerAddress: BAD }, "bad")],
      ...manyServices(),
    }),
  });
  [node] = lab.nodes as [BgpNode];
  await lab.inRouter("ip", "address", "add", `${BAD}/24`, "dev", "lan0");
  await startFrr(
    lab,
    [
      "router bgp 64512",
      " bgp router-id 192.0.2.1",
      ` neighbor ${node.v4} remote-as 64513`,
      ` neighbor ${node.v4} timers connect 1`,
      ` neighbor ${node.v4} update-source ${ROUTER.v4}`,
      " no bgp ebgp-requires-policy",
    ],
    ["-l", ROUTER.v4],
  );
  await node.until("the good session", (answer) => isUp(answer), 30_000);
}, 60_000);
afterAll(() => lab?.[Symbol.asyncDispose]());

function manyServices() {
  const named = (i: number) => ({ name: `web${i}`, namespace: "default" });
  const services = Array.from(
    { length: SERVICES },
    (_, i): V1Service => ({ ...webService({}, [`203.0.${113 + (i >> 8)}.${i & 255}`]), metadata: named(i) }),
  );
  const slices = services.map((_, i) => ({
    ...webSlice(["node1"]),
    metadata: { name: `web${i}-1`, namespace: "default", labels: { "kubernetes.io/service-name": `web${i}` } },
  }));
  const pools = [{ metadata: { name: "pool", namespace: "metallb-system" }, spec: { addresses: ["203.0.112.0/20"] } }];
  return { services, slices, pools };
}

describe("startBgp() beside a peer that", () => {
  const cases = [
    { how: "silent", what: "reads nothing" },
    { how: "flood", what: "sends UPDATEs as fast as they go" },
    { how: "flap", what: "hangs up whenever the session is up" },
    { how: "garbage", what: "sends random octets" },
    { how: "crowd", what: "opens 1,000 connections" },
  ];
  test.each(cases)(
    "$what keeps the good session and its memory",
    async ({ how }) => {
      const before = await node.order({ kind: "tell" });
      const bad = lab.daemon(process.execPath, join(import.meta.dirname, "support/hostile-peer.ts"), how, BAD, node.v4);
      const met = ({ state }: typeof before) => {
        const peer = state.peers.bad;
        if (how === "flood") return (peer?.counts?.updatesReceived ?? 0) > 1000;
        if (how === "flap") return (peer?.losses ?? 0) > 2;
        if (how === "garbage") return (peer?.counts?.notificationsSent ?? 0) > 0;
        return how === "crowd" || peer?.phase === "established";
      };
      await node.until("the bad peer at work", met, 25_000);
      await pause(how === "flap" || how === "garbage" ? 0 : 4000); // time for memory to grow, if it does
      const changed = { ...webService({}, ["203.0.113.1"]), metadata: { name: "late", namespace: "default" } };
      const during = await node.order({ kind: "set", objects: { services: [changed] } });
      expect(during.state.peers.router).toMatchObject({
        phase: "established",
        losses: before.state.peers.router?.losses,
      });
      const after = await node.until("the good session", (answer) => isUp(answer), 5000);
      expect(after.memory - before.memory).toBeLessThan(MOST_MEMORY);
      bad.kill("SIGKILL");
      await waitFor("its end", () => bad.signalCode !== null, { deadline: 5000 });
    },
    60_000,
  );

  test("is gone: the good one still knows every route", async () => {
    const { state } = await node.until("the good session", (answer) => isUp(answer), 5000);
    expect(state.peers.router?.announced).toBe(SERVICES);
  });
});

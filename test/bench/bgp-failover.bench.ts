import { setTimeout as pause } from "node:timers/promises";
import {
  type BgpLab,
  type BgpNode,
  type Frr,
  isUp,
  NAMESPACE,
  peerObject,
  startBgpLab,
  startFrr,
  startWeb,
  VIP,
} from "../lab/support/bgp-lab.ts";
import { startProbe } from "../support/probe.ts";
import { waitFor } from "../support/wait.ts";
import { type Bench, summarize } from "./figure.ts";

/** A client behind FRR asks a Service of two nodes; one of them is cut off, or frozen as a whole. BFD 3 x 50 ms. */
const RUNS = 10;
/** Milliseconds for which the node is lost. */
const LOST_FOR = 1500;

async function waysOf(frr: Frr): Promise<number> {
  return ((await frr.show(`show bgp ipv4 unicast ${VIP.v4}/32`)).paths as unknown[] | undefined)?.length ?? 0;
}

/** Milliseconds from the first request that went to the lost node to the last one. */
async function outage(lab: BgpLab, frr: Frr, lose: () => unknown, mend: () => unknown): Promise<number> {
  await waitFor("both ways", async () => (await waysOf(frr)) === 2, { deadline: 30_000 });
  const probe = startProbe(lab.client, `http://${VIP.v4}/`);
  await probe.succeed(20, 30_000);
  await pause(Math.random() * 100);
  await lose();
  await pause(LOST_FOR);
  await mend();
  await pause(1000); // what was asked of the lost node has failed by then
  // A first SYN that is lost is sent again after 200 ms and more, to the other node by then.
  const failed = (await probe.stop()).filter(({ ok, duration }) => !ok || duration > 150).map(({ start }) => start);
  const first = Math.min(...failed);
  // What happens once the node is back is another matter.
  return failed.length === 0 ? 0 : Math.max(...failed.filter((start) => start < first + LOST_FOR - 200)) - first + 10;
}

export const bench: Bench = {
  summary: `a node of two is lost behind FRR, BFD 3 x 50 ms, ${RUNS} runs each way`,
  async run(progress) {
    const times = { transmitInterval: 50, receiveInterval: 50, detectMultiplier: 3 };
    await using lab = await startBgpLab({
      tag: "fail",
      nodes: 2,
      objects: () => ({
        bgpPeers: [peerObject({ bfdProfile: "fast" })],
        bfdProfiles: [{ metadata: { name: "fast", namespace: NAMESPACE }, spec: times }],
      }),
    });
    const frr = await startFrr(lab, [
      "bfd",
      " profile fast",
      "  transmit-interval 50",
      "  receive-interval 50",
      "router bgp 64512",
      " no bgp ebgp-requires-policy",
      ...lab.nodes.flatMap(({ v4 }) => [
        ` neighbor ${v4} remote-as 64513`,
        ` neighbor ${v4} timers connect 1`,
        ` neighbor ${v4} bfd profile fast`,
      ]),
      " address-family ipv4 unicast",
      "  maximum-paths 8",
    ]);
    using web = await startWeb(lab);
    const [lost] = lab.nodes as [BgpNode];
    await lost.until("a session", (answer) => isUp(answer), 30_000);
    const port = (...change: readonly string[]) => lab.inRouter("ip", "link", "set", "dev", lost.name, ...change);
    const freeze = (signal: NodeJS.Signals) => {
      lost.process.kill(signal);
      web.signal(0, signal);
    };
    const cut: number[] = [];
    const frozen: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      cut.push(
        await outage(
          lab,
          frr,
          () => port("nomaster"),
          () => port("master", "lan0"),
        ),
      );
      frozen.push(
        await outage(
          lab,
          frr,
          () => freeze("SIGSTOP"),
          () => freeze("SIGCONT"),
        ),
      );
      progress(`run ${run + 1}: cut ${cut.at(-1)?.toFixed(0)} ms, frozen ${frozen.at(-1)?.toFixed(0)} ms`);
    }
    const about = { bench: "bgp-failover", unit: "ms", peer: "target", peerValue: 300 };
    return [...summarize({ ...about, case: "link cut" }, cut), ...summarize({ ...about, case: "node frozen" }, frozen)];
  },
};

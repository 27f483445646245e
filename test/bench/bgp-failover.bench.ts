import { setTimeout as pause } from "node:timers/promises";
import type { Lab, LabNode } from "../../lab/mod.ts";
import { startBgpCluster } from "../lab/support/bgp-cluster.ts";
import { type BgpLab, FAST, peerObject, startBgpLab, startWeb, VIP, type Web } from "../lab/support/bgp-lab.ts";
import { FAST_BFD, type Frr, startFrr } from "../lab/support/frr.ts";
import { type Answer, startProbe } from "../support/probe.ts";
import { addressOf, replaceAgent } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";
import { type Bench, type Figure, summarize } from "./figure.ts";

/** Fewer for a quick look: BENCH_RUNS=3 make bench NAME=bgp-failover. */
const RUNS = Number(process.env.BENCH_RUNS ?? 20);
/** Milliseconds between two requests of the probe. */
const EVERY = 10;
/**
 * Milliseconds. A first packet that is lost is sent again after a second, to the other node by then; a frozen node answers
 * when it thaws. What takes less than this met a busy machine, not a lost node.
 */
const LOST = 500;
/** Milliseconds before a node is back in which a request may meet its return. */
const COMING_BACK = 200;

/** What a client behind the router asks, and how to see that the router knows all ways to it. */
interface Question {
  /** Name of the client's network namespace. */
  readonly client: string;
  readonly address: string;
  /** The addresses of the nodes. */
  readonly gateways: readonly string[];
  readonly frr: Frr;
  inRouter(program: string, ...args: readonly string[]): Promise<string>;
}

/** Waits until the router's kernel has a way through every node, that BGP knows it is not enough, and none left over. */
async function allWays({ address, gateways, frr, inRouter }: Question): Promise<void> {
  const isThere = async () => {
    const route = await inRouter("ip", "route", "show", address);
    const stale = JSON.stringify(await frr.show(`show bgp ipv4 unicast ${address}/32`)).includes("stale");
    // BFD comes up after BGP: until then nothing but the hold time finds a loss.
    const watched = (await frr.show("show bfd peers")) as unknown as readonly { readonly status: string }[];
    const guarded = watched.every(({ status }) => status === "up");
    return !stale && guarded && gateways.every((gateway) => route.includes(`via ${gateway} `));
  };
  await waitFor("all ways in the router's kernel", isThere, { deadline: 30_000 });
}

/** What a client sees from before `strike` until all is well again, and when it struck (milliseconds since 1970). */
async function strikeOnce(question: Question, strike: () => Promise<void>) {
  await allWays(question);
  const probe = startProbe(question.client, `http://${question.address}/`);
  await probe.succeed(50, 30_000);
  await pause(Math.random() * 100);
  const struck = performance.timeOrigin + performance.now();
  await strike();
  await pause(2500); // what was asked of a lost node has failed by then
  return { struck, answers: await probe.stop() };
}

const isLost = ({ ok, duration }: Answer) => !ok || duration > LOST;

/** Two nodes with a speaker and a web server each, behind FRR. */
interface Pair {
  readonly lab: BgpLab;
  readonly web: Web;
  readonly question: Question;
}

async function withPair<T>(
  peer: Parameters<typeof peerObject>[0],
  neighbour: string,
  run: (pair: Pair) => Promise<T>,
): Promise<T> {
  await using lab = await startBgpLab({
    tag: "fail",
    nodes: 2,
    objects: () => ({
      bgpPeers: [peerObject(peer)],
      bfdProfiles: [FAST],
    }),
  });
  const frr = await startFrr(lab, [
    ...FAST_BFD,
    "router bgp 64512",
    " no bgp ebgp-requires-policy",
    ...lab.nodes.flatMap(({ v4 }) =>
      ["remote-as 64513", "timers connect 1", neighbour].map((line) => ` neighbor ${v4} ${line}`),
    ),
    " address-family ipv4 unicast",
    "  maximum-paths 8",
  ]);
  using web = await startWeb(lab);
  const { client, inRouter } = lab;
  const gateways = lab.nodes.map(({ v4 }) => v4);
  return await run({ lab, web, question: { client, inRouter, frr, gateways, address: VIP.v4 } });
}

/** How a node is lost, and found again. */
interface Loss {
  lose(pair: Pair): unknown;
  mend(pair: Pair): unknown;
}

const setPort = ({ lab }: Pair, ...change: readonly string[]) =>
  lab.inRouter("ip", "link", "set", "dev", lab.nodes[0]?.name ?? "", ...change);
const CUT: Loss = { lose: (pair) => setPort(pair, "nomaster"), mend: (pair) => setPort(pair, "master", "lan0") };

const signalAll = ({ lab, web }: Pair, signal: NodeJS.Signals) => {
  lab.nodes[0]?.process.kill(signal);
  web.signal(0, signal);
};
const FREEZE: Loss = { lose: (pair) => signalAll(pair, "SIGSTOP"), mend: (pair) => signalAll(pair, "SIGCONT") };

/** Milliseconds from the loss of a node to the last request that went there before it was back. */
async function outage(pair: Pair, { lose, mend }: Loss, lostFor: number): Promise<number> {
  const { struck, answers } = await strikeOnce(pair.question, async () => {
    await lose(pair);
    await pause(lostFor);
    await mend(pair);
  });
  // What happens as it comes back is another matter: a bridge that takes a port may drop what is on its way.
  const asked = answers.filter(isLost).filter(({ start }) => start < struck + lostFor - COMING_BACK);
  const last = Math.max(struck, ...asked.map(({ start }) => start + EVERY));
  if (last === struck) throw new Error("no request met the lost node, so that nothing was measured");
  return last - struck;
}

/** Number of requests lost while the agents of `nodes` are replaced, one after the other. */
async function replace(lab: Lab, question: Question, nodes: readonly LabNode[]): Promise<number> {
  const { answers } = await strikeOnce(question, async () => {
    for (const node of nodes) {
      await replaceAgent(lab, node);
      await allWays(question);
    }
  });
  return answers.filter(isLost).length;
}

async function repeat(run: () => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  for (let i = 0; i < RUNS; i++) values.push(await run());
  return values;
}

const BFD_TARGET = { unit: "ms", peer: "target", peerValue: 300 };
const HOLD_TARGET = { unit: "ms", peer: "hold time", peerValue: 3000 };
const NO_LOSS = { unit: "requests lost", peer: "target", peerValue: 0 };

export const bench: Bench = {
  summary: `a node behind FRR is lost, or agents are replaced, ${RUNS} runs each, a request every ${EVERY} ms`,
  async run(progress) {
    const figures: Figure[] = [];
    const note = (name: string, about: typeof NO_LOSS, values: readonly number[]) => {
      progress(`${name}: ${values.map((value) => value.toFixed(0)).join(" ")} ${about.unit}`);
      figures.push(...summarize({ bench: "bgp-failover", case: name, ...about }, values));
    };
    await withPair({ bfdProfile: "fast" }, "bfd profile fast", async (pair) => {
      note("link cut, BFD 3 x 50 ms", BFD_TARGET, await repeat(() => outage(pair, CUT, 1500)));
      note("node frozen, BFD 3 x 50 ms", BFD_TARGET, await repeat(() => outage(pair, FREEZE, 1500)));
    });
    await withPair({ holdTime: "3s", keepaliveTime: "1s" }, "timers 1 3", async (pair) => {
      note("link cut, no BFD, hold time 3 s", HOLD_TARGET, [await outage(pair, CUT, 5000)]);
    });
    await using cluster = await startBgpCluster({
      nodes: 3,
      peer: { bfdProfile: "fast", enableGracefulRestart: true },
      router: ["bgp graceful-restart", "bgp graceful-restart preserve-fw-state"],
      neighbour: ["bfd profile fast", "bfd check-control-plane-failure"],
    });
    const { lab, frr, client, inRouter } = cluster;
    const address = await addressOf(lab, "default/web");
    const question = { client, inRouter, frr, address, gateways: lab.nodes.map(({ ip }) => ip) };
    const one = lab.nodes.slice(0, 1);
    note("one agent replaced, graceful restart", NO_LOSS, await repeat(() => replace(lab, question, one)));
    note("all agents replaced, graceful restart", NO_LOSS, await repeat(() => replace(lab, question, lab.nodes)));
    return figures;
  },
};

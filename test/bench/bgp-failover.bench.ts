import { setTimeout as pause } from "node:timers/promises";
import {
  type BgpLab,
  type BgpNode,
  isUp,
  NAMESPACE,
  peerObject,
  startBgpLab,
  startWeb,
  VIP,
  type Web,
} from "../lab/support/bgp-lab.ts";
import { type Frr, startFrr } from "../lab/support/frr.ts";
import { type Answer, startProbe } from "../support/probe.ts";
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

/** Two nodes behind FRR, and a client behind that. */
interface Scene {
  readonly lab: BgpLab;
  readonly frr: Frr;
  readonly web: Web;
}

/** How FRR and the nodes hold their sessions. */
interface Manner {
  readonly tag: string;
  /** Fields of the BGPPeer. */
  readonly peer: Parameters<typeof peerObject>[0];
  /** Lines of FRR: of the whole router, and of each neighbour. */
  readonly router?: readonly string[];
  readonly neighbour: readonly string[];
}

const WITH_BFD: Manner = { tag: "bfd", peer: { bfdProfile: "fast" }, neighbour: ["bfd profile fast"] };
const HOLD_3_SECONDS: Manner = {
  tag: "hold",
  peer: { holdTime: "3s", keepaliveTime: "1s" },
  neighbour: ["timers 1 3"],
};
const GRACEFUL: Manner = {
  tag: "grace",
  peer: { bfdProfile: "fast", enableGracefulRestart: true },
  router: ["bgp graceful-restart", "bgp graceful-restart preserve-fw-state"],
  neighbour: ["bfd profile fast", "bfd check-control-plane-failure"],
};

async function withRouter<T>(manner: Manner, run: (scene: Scene) => Promise<T>): Promise<T> {
  const spec = { transmitInterval: 50, receiveInterval: 50, detectMultiplier: 3 };
  await using lab = await startBgpLab({
    tag: manner.tag,
    nodes: 2,
    objects: () => ({
      bgpPeers: [peerObject(manner.peer)],
      bfdProfiles: [{ metadata: { name: "fast", namespace: NAMESPACE }, spec }],
    }),
  });
  const frr = await startFrr(lab, [
    "bfd",
    " profile fast",
    "  transmit-interval 50",
    "  receive-interval 50",
    "router bgp 64512",
    " no bgp ebgp-requires-policy",
    ...(manner.router ?? []).map((line) => ` ${line}`),
    ...lab.nodes.flatMap(({ v4 }) =>
      ["remote-as 64513", "timers connect 1", ...manner.neighbour].map((line) => ` neighbor ${v4} ${line}`),
    ),
    " address-family ipv4 unicast",
    "  maximum-paths 8",
  ]);
  using web = await startWeb(lab);
  return await run({ lab, frr, web });
}

/** Waits until the router's kernel has both ways; that BGP knows them is not enough. */
async function bothWays({ lab, frr }: Scene): Promise<void> {
  const isThere = async () => {
    const route = await lab.inRouter("ip", "route", "show", VIP.v4);
    const stale = JSON.stringify(await frr.show(`show bgp ipv4 unicast ${VIP.v4}/32`)).includes("stale");
    return !stale && lab.nodes.every(({ v4 }) => route.includes(`via ${v4} `));
  };
  await waitFor("both ways in the router's kernel", isThere, { deadline: 30_000 });
}

/** What a client sees from before `strike` until everything is well again, and when it struck (milliseconds since 1970). */
async function strikeOnce(scene: Scene, strike: () => Promise<void>): Promise<{ struck: number; answers: Answer[] }> {
  await bothWays(scene);
  const probe = startProbe(scene.lab.client, `http://${VIP.v4}/`);
  const metBoth = () => scene.lab.nodes.every(({ name }) => probe.answers().some(({ text }) => text === `200 ${name}`));
  await waitFor("answers of both nodes", metBoth, { deadline: 30_000 });
  await pause(Math.random() * 100);
  const struck = performance.timeOrigin + performance.now();
  await strike();
  await pause(2500); // what was asked of a lost node has failed by then
  return { struck, answers: [...(await probe.stop())] };
}

const isLost = ({ ok, duration }: Answer) => !ok || duration > LOST;

/** Milliseconds from the loss of a node to the last request that went there before it was back. */
async function outage(scene: Scene, lose: () => unknown, mend: () => unknown, lostFor: number): Promise<number> {
  const { struck, answers } = await strikeOnce(scene, async () => {
    await lose();
    await pause(lostFor);
    await mend();
  });
  // What a frozen node does when it thaws is another matter.
  const asked = answers.filter(isLost).filter(({ start }) => start < struck + lostFor);
  const last = Math.max(struck, ...asked.map(({ start }) => start + EVERY));
  if (last === struck) throw new Error("no request met the lost node, so that nothing was measured");
  return last - struck;
}

function cutLink({ lab }: Scene, lostFor: number) {
  const [{ name }] = lab.nodes as [BgpNode];
  const port = (...change: readonly string[]) => lab.inRouter("ip", "link", "set", "dev", name, ...change);
  return [() => port("nomaster"), () => port("master", "lan0"), lostFor] as const;
}

function freeze({ lab, web }: Scene, lostFor: number) {
  const signal = (name: NodeJS.Signals) => {
    lab.nodes[0]?.process.kill(name);
    web.signal(0, name);
  };
  return [() => signal("SIGSTOP"), () => signal("SIGCONT"), lostFor] as const;
}

/** Number of requests lost while the speakers of `nodes` are replaced, one after the other. */
async function replace(scene: Scene, nodes: readonly BgpNode[]): Promise<number> {
  const { answers } = await strikeOnce(scene, async () => {
    for (const node of nodes) {
      await node.stop();
      node.start();
      await node.until("a session", (answer) => isUp(answer), 30_000);
      await bothWays(scene);
    }
  });
  return answers.filter(isLost).length;
}

async function repeat(count: number, run: () => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  for (let i = 0; i < count; i++) values.push(await run());
  return values;
}

const BFD_TARGET = { unit: "ms", peer: "target", peerValue: 300 };
const HOLD_TARGET = { unit: "ms", peer: "hold time", peerValue: 3000 };
const NO_LOSS = { unit: "requests lost", peer: "target", peerValue: 0 };

export const bench: Bench = {
  summary: `one of two nodes behind FRR is lost or replaced, ${RUNS} runs each, a request every ${EVERY} ms`,
  async run(progress) {
    const figures: Figure[] = [];
    const note = (name: string, about: typeof NO_LOSS, values: readonly number[]) => {
      progress(`${name}: ${values.map((value) => value.toFixed(0)).join(" ")} ${about.unit}`);
      figures.push(...summarize({ bench: "bgp-failover", case: name, ...about }, values));
    };
    await withRouter(WITH_BFD, async (scene) => {
      const cut = () => outage(scene, ...cutLink(scene, 1500));
      note("link cut, BFD 3 x 50 ms", BFD_TARGET, await repeat(RUNS, cut));
      const frozen = () => outage(scene, ...freeze(scene, 1500));
      note("node frozen, BFD 3 x 50 ms", BFD_TARGET, await repeat(RUNS, frozen));
    });
    await withRouter(HOLD_3_SECONDS, async (scene) => {
      note("link cut, no BFD, hold time 3 s", HOLD_TARGET, [await outage(scene, ...cutLink(scene, 5000))]);
    });
    await withRouter(GRACEFUL, async (scene) => {
      const { nodes } = scene.lab;
      const one = () => replace(scene, nodes.slice(0, 1));
      note("one speaker replaced, graceful restart", NO_LOSS, await repeat(RUNS, one));
      note("all speakers replaced, graceful restart", NO_LOSS, await repeat(RUNS, () => replace(scene, nodes)));
    });
    return figures;
  },
};

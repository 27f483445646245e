import { setTimeout as delay } from "node:timers/promises";
import type { Lab, LabNode } from "../../lab/mod.ts";
import { type Answer, longestOutage, startProbe } from "../support/probe.ts";
import { agentsReady, announcerOf, curl, replaceAgent, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";
import { type Bench, type Figure, summarize } from "./figure.ts";

/** Fewer for a quick look: BENCH_RUNS=3 make bench NAME=failover. */
const RUNS = Number(process.env.BENCH_RUNS ?? 20);
const ADDRESS = "192.168.1.101";
/** MetalLB 0.15.2, L2, link of the announcing node cut, endpoints elsewhere: 5.3, 7.0, 7.6, 8.1 s. */
const METALLB: Peer = {
  peer: "MetalLB 0.15.2 on Kubernetes 1.34, recorded 2026-11",
  values: { p50: 7_300, p95: 8_100, max: 8_100 },
};
const NO_PEER: Peer = { peer: "none", values: {} };
/**
 * Milliseconds. A first packet that is lost is sent again after a second (RFC 6298 section 2.1): a request that took nearly as
 * long counts as lost though it was answered in the end.
 */
const LOST = 900;
/** Milliseconds in which nothing happens to the node before it does: how long the longest time without an answer is then. */
const CALM = 1000;

/** What a case is compared with, by metric. */
interface Peer {
  readonly peer: string;
  readonly values: Readonly<Record<string, number>>;
}

/** Something that befalls the announcing node, and how it is made good. */
interface Trouble {
  readonly name: string;
  /** kept: the endpoints on the node stay; moved: they would be lost with it, whoever announces, so there are none. */
  readonly endpoints: "kept" | "moved";
  readonly peer: Peer;
  strike(lab: Lab, node: LabNode): Promise<unknown>;
  mend(lab: Lab, node: LabNode): Promise<unknown>;
}

const TROUBLES: readonly Trouble[] = [
  {
    name: "link cut",
    endpoints: "moved",
    peer: METALLB,
    strike: (_, node) => node.cutLink(),
    mend: (_, node) => node.restoreLink(),
  },
  {
    name: "all processes of the node frozen",
    endpoints: "moved",
    peer: METALLB,
    strike: (_, node) => signalAll(node, "SIGSTOP"),
    mend: (_, node) => signalAll(node, "SIGCONT"),
  },
  {
    name: "agent kill -9",
    endpoints: "kept",
    peer: NO_PEER,
    strike: async (_, node) => node.killAgent("SIGKILL"),
    mend: (lab) => agentsReady(lab),
  },
  {
    name: "planned drain",
    endpoints: "kept",
    peer: NO_PEER,
    strike: (lab, node) => lab.kubectl(["cordon", node.name]),
    mend: (lab, node) => lab.kubectl(["uncordon", node.name]),
  },
  {
    name: "rolling restart of all agents",
    endpoints: "kept",
    peer: NO_PEER,
    strike: async (lab) => {
      for (const node of lab.nodes) await replaceAgent(lab, node);
    },
    mend: async () => {},
  },
];

/** What a client outside saw of one run. */
interface Outcome {
  /** The longest time without an answer, from the trouble until everything was well again; milliseconds. */
  readonly outage: number;
  /** The same while nothing happened: what the machine itself adds. */
  readonly calm: number;
  /** Requests that failed, or that took so long that a packet of theirs must have been lost. */
  readonly lost: readonly Answer[];
}

/**
 * How long a client outside sees nothing when something befalls the announcing node, and how many requests are lost. All of
 * it takes about a quarter of an hour.
 */
export const bench: Bench = {
  summary: `troubles of the announcing node, ${RUNS} runs each; a request on a new connection every 10 ms`,
  run: async (progress) => {
    const lab = await startTestLab();
    try {
      await lab.applySamples();
      await waitFor("the web Service to answer", () => curl(lab, `http://${ADDRESS}/`), { deadline: 30_000 });
      const annotation = "ironbridge.io/drain-on-cordon=true";
      const figures: Figure[] = [];
      for (const trouble of TROUBLES) {
        const drains = trouble.name === "planned drain" ? annotation : `${annotation.split("=")[0]}-`;
        await lab.kubectl(["annotate", "l2advertisements", "--all", "-A", "--overwrite", drains]);
        const outcomes: Outcome[] = [];
        for (let run = 1; run <= RUNS; run++) outcomes.push(await strikeOnce(lab, trouble));
        const told = outcomes.map(({ outage, calm, lost }) => `${outage.toFixed(0)}/${calm.toFixed(0)}/${lost.length}`);
        progress(`${trouble.name}, ms without an answer / ms before it / lost: ${told.join(" ")}`);
        const words = outcomes.flatMap(({ lost }) => lost.map(({ ok, text }) => (ok ? "answered late" : text)));
        for (const each of new Set(words)) progress(`  lost: ${each}, ${words.filter((word) => word === each).length}`);
        figures.push(...figuresOf(trouble, outcomes));
      }
      return figures;
    } finally {
      await lab.stop();
    }
  },
};

function figuresOf({ name, peer }: Trouble, outcomes: readonly Outcome[]): readonly Figure[] {
  const series = (what: string, unit: string, { peer: named, values }: Peer, of: (outcome: Outcome) => number) => {
    const about = { bench: "failover", case: `${name}, ${what}`, unit, peer: named, peerValue: null };
    const figures = summarize(about, outcomes.map(of));
    return figures.map((figure) => ({ ...figure, peerValue: values[figure.metric] ?? null }));
  };
  return [
    ...series("longest time without an answer", "ms", peer, ({ outage }) => outage),
    ...series("the same before it", "ms", NO_PEER, ({ calm }) => calm),
    ...series("lost", "requests", NO_PEER, ({ lost }) => lost.length),
  ];
}

async function strikeOnce(lab: Lab, trouble: Trouble): Promise<Outcome> {
  await agentsReady(lab);
  const name = await waitFor("an announcer", () => announcerOf(lab, ADDRESS), { deadline: 20_000 });
  const node = lab.nodes.find((each) => each.name === name)!;
  if (trouble.endpoints === "moved") await moveEndpoints(lab, name);
  const probe = startProbe(lab.outside.netns, `http://${ADDRESS}/`);
  await probe.succeed(50, 20_000);
  const calmFrom = Date.now();
  await delay(CALM);
  const struck = Date.now();
  await trouble.strike(lab, node);
  await probe.succeed(200, 30_000);
  await trouble.mend(lab, node);
  await probe.succeed(100, 30_000);
  const answers = await probe.stop();
  if (trouble.endpoints === "moved") await lab.kubectl(["uncordon", name]);
  return {
    outage: longestOutage(between(answers, struck, Number.POSITIVE_INFINITY)),
    calm: longestOutage(between(answers, calmFrom, struck)),
    lost: answers.filter(({ ok, duration }) => !ok || duration >= LOST),
  };
}

/** The answers that came between two times, and the last good one before them. */
function between(answers: readonly Answer[], from: number, until: number): readonly Answer[] {
  const at = ({ start, duration }: Answer) => start + duration;
  const sorted = [...answers].filter(({ ok }) => ok).sort((a, b) => at(a) - at(b));
  const first = sorted.findIndex((answer) => at(answer) >= from);
  return sorted.slice(Math.max(0, first - 1)).filter((answer) => at(answer) < until);
}

async function moveEndpoints(lab: Lab, node: string): Promise<void> {
  await lab.kubectl(["cordon", node]);
  const onNode = ["get", "pods", "-l", "app=web", "--field-selector", `spec.nodeName=${node}`, "-o", "name"];
  const pods = (await lab.kubectl(onNode)).split("\n").filter((pod) => pod !== "");
  if (pods.length > 0) await lab.kubectl(["delete", ...pods]);
  await lab.kubectl(["rollout", "status", "deployment", "web", "--timeout=20s"]);
}

async function signalAll(node: LabNode, signal: "SIGSTOP" | "SIGCONT"): Promise<void> {
  const { stdout } = await node.exec("ip", ["netns", "pids", node.netns]);
  for (const pid of stdout.split("\n").map(Number)) {
    if (pid > 0 && pid !== process.pid) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it ended meanwhile
      }
    }
  }
}

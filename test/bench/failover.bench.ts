import type { Lab, LabNode } from "../../lab/mod.ts";
import { type Answer, longestOutage, startProbe } from "../support/probe.ts";
import { agentsReady, announcerOf, curl, replaceAgent, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";
import { type Bench, type Figure, summarize } from "./figure.ts";

/** Fewer for a quick look: BENCH_RUNS=3 make bench NAME=failover. */
const RUNS = Number(process.env.BENCH_RUNS ?? 20);
const ADDRESS = "192.168.1.101";
/** MetalLB 0.15.2, L2, link of the announcing node cut, endpoints elsewhere: 5.3, 7.0, 7.6, 8.1 s; the median. */
const METALLB = { peer: "MetalLB 0.15.2 on Kubernetes 1.34, recorded 2026-11", peerValue: 7_300 };
const NO_PEER = { peer: "none", peerValue: null };

/** Something that befalls the announcing node, and how it is made good. */
interface Trouble {
  readonly name: string;
  /** kept: the endpoints on the node stay; moved: they would be lost with it, whoever announces, so there are none. */
  readonly endpoints: "kept" | "moved";
  readonly peer: { readonly peer: string; readonly peerValue: number | null };
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

/** How long a client outside sees nothing when something befalls the announcing node, and how many requests fail. */
export const bench: Bench = {
  summary: `troubles of the announcing node, ${RUNS} runs each; the longest time without an answer, a request every 10 ms`,
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
        const outages: number[] = [];
        const failures: number[] = [];
        for (let run = 1; run <= RUNS; run++) {
          const answers = await strikeOnce(lab, trouble);
          outages.push(longestOutage(answers));
          failures.push(answers.filter(({ ok }) => !ok).length);
        }
        progress(`${trouble.name}: ${outages.map((ms) => ms.toFixed(0)).join(" ")} ms; failed ${failures.join(" ")}`);
        const about = { bench: "failover", case: `${trouble.name}, longest outage`, unit: "ms", ...trouble.peer };
        figures.push(...summarize(about, outages));
        const lost = { bench: "failover", case: `${trouble.name}, failed requests`, unit: "requests", ...NO_PEER };
        figures.push(...summarize(lost, failures));
      }
      return figures;
    } finally {
      await lab.stop();
    }
  },
};

async function strikeOnce(lab: Lab, trouble: Trouble): Promise<readonly Answer[]> {
  await agentsReady(lab);
  const name = await waitFor("an announcer", () => announcerOf(lab, ADDRESS), { deadline: 20_000 });
  const node = lab.nodes.find((each) => each.name === name)!;
  if (trouble.endpoints === "moved") await moveEndpoints(lab, name);
  const probe = startProbe(lab.outside.netns, `http://${ADDRESS}/`);
  await probe.succeed(50, 20_000);
  await trouble.strike(lab, node);
  await probe.succeed(200, 30_000);
  await trouble.mend(lab, node);
  await probe.succeed(100, 30_000);
  const answers = await probe.stop();
  if (trouble.endpoints === "moved") await lab.kubectl(["uncordon", name]);
  return answers;
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

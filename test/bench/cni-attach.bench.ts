import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { netnsPath } from "../../lab/topology.ts";
import { openNetns, openRtnetlink } from "../../linux/mod.ts";
import { parseMac } from "../../net/mod.ts";
import { type CniLab, createCniLab, nodeObject } from "../lab/support/cni-lab.ts";
import { type Bench, type Figure, percentile } from "./figure.ts";
import { buildStarter, type Starter } from "./support/start-together.ts";

/** The CNI project's plugins, as Debian has them. */
const REFERENCE = "/usr/lib/cni";
const ALONE = 60;
const PARALLEL = [50, 250];
/** Pods that each side adds and removes first, so that what is measured is not the first work of a program: in turn, and at once. */
const WARM_UP = { inTurn: 40, atOnce: 50 };
/** Milliseconds in which a link that has just come up has its carrier noticed, as before the DEL of a pod. */
const SETTLING = 20;

/** One plugin of a list, and what the runtime tells it. */
interface Plugin {
  readonly path: string;
  readonly config: object;
}

/** A way to give a pod its network: plugins in order. */
interface Subject {
  readonly name: string;
  readonly plugins: readonly Plugin[];
}

/** Calls plugins as a runtime does, for all `pods` at once; gives the milliseconds from the first start to the last end. */
interface Runner {
  add(subject: Subject, pods: readonly string[]): Promise<number>;
  del(subject: Subject, pods: readonly string[]): Promise<number>;
}

export const bench: Bench = {
  summary:
    "ADD and DEL of one pod, and of many at once, beside the CNI project's bridge, host-local, portmap, bandwidth",
  async run(progress) {
    const lab = await createCniLab("cnib");
    const state = mkdtempSync(join(tmpdir(), "ib-bench-"));
    lab.node1.start([nodeObject(1, ["10.240.0.0/16"])], { logLevel: "warn" });
    await lab.node1.whenReady();
    try {
      return await measureAll(lab, state, progress);
    } finally {
      await lab.remove();
      rmSync(state, { recursive: true });
    }
  },
};

async function measureAll(lab: CniLab, state: string, progress: (line: string) => void): Promise<readonly Figure[]> {
  const starter = await buildStarter(state);
  const pods = await Promise.all(Array.from({ length: Math.max(...PARALLEL) }, () => lab.addPod()));
  const runners = { ours: runnerIn(starter, lab.node1.netns), reference: runnerIn(starter, lab.node2.netns) };
  const figures: Figure[] = [];
  const results = new Map<string, Record<string, number>>();
  for (const [what, { ours, reference }] of Object.entries(subjects(lab, state))) {
    for (const [who, subject] of Object.entries({ reference, ours })) {
      progress(`${what}, ${who}`);
      const runner = runners[who as keyof typeof runners];
      results.set(`${what} ${who}`, await measure(runner, subject, pods));
    }
    const [own = {}, peers = {}] = [results.get(`${what} ours`), results.get(`${what} reference`)];
    for (const [metric, value] of Object.entries(own)) {
      const unit = metric.endsWith("per second") ? "1/s" : "ms";
      const n = metric.includes("alone") ? ALONE : Number(metric.match(/\d+/)?.[0]);
      const peer = `${reference.name}, same run`;
      figures.push({ bench: "cni-attach", case: what, n, metric, unit, value, peer, peerValue: peers[metric] ?? null });
    }
  }
  return [...figures, ...(await floor(lab, starter, pods[0]!)), await memory(lab, runners.ours, pods)];
}

function subjects(lab: CniLab, state: string): Record<string, { ours: Subject; reference: Subject }> {
  const portMappings = [{ hostPort: 8081, containerPort: 80, protocol: "tcp", hostIP: "" }];
  const limits = { ingressRate: 1e9, ingressBurst: 1e8, egressRate: 1e9, egressBurst: 1e8 };
  const own = (runtimeConfig: object): Subject => ({
    name: "ironbridge-cni",
    plugins: [
      {
        path: join(lab.node1.options.binDir, "ironbridge-cni"),
        config: { type: "ironbridge-cni", agentSocket: lab.node1.options.socketPath, runtimeConfig },
      },
    ],
  });
  const ipam = { type: "host-local", dataDir: state, subnet: "10.241.0.0/16" };
  const bridge = (ipMasq: boolean): Plugin => ({
    path: join(REFERENCE, "bridge"),
    config: { type: "bridge", bridge: "br-ref", isDefaultGateway: true, hairpinMode: true, ipMasq, ipam },
  });
  const other = (name: string, config: object): Plugin => ({
    path: join(REFERENCE, name),
    config: { type: name, ...config },
  });
  const reference = (name: string, ...plugins: readonly Plugin[]): Subject => ({ name, plugins });
  return {
    "without masquerade": { ours: own({}), reference: reference("bridge + host-local", bridge(false)) },
    "with masquerade": { ours: own({}), reference: reference("bridge + host-local, ipMasq", bridge(true)) },
    "host port": {
      ours: own({ portMappings }),
      reference: reference(
        "bridge + portmap",
        bridge(false),
        other("portmap", { snat: true, runtimeConfig: { portMappings } }),
      ),
    },
    bandwidth: {
      ours: own({ bandwidth: limits }),
      reference: reference(
        "bridge + bandwidth",
        bridge(false),
        other("bandwidth", { runtimeConfig: { bandwidth: limits } }),
      ),
    },
  };
}

async function measure(runner: Runner, subject: Subject, pods: readonly string[]): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  const round = (value: number) => Math.round(value * 100) / 100;
  const alone = { ADD: [] as number[], DEL: [] as number[] };
  const first: number[] = [];
  for (const pod of pods.slice(0, WARM_UP.inTurn)) {
    first.push(await runner.add(subject, [pod]));
    await runner.del(subject, [pod]);
  }
  figures[`first ${WARM_UP.inTurn} ADDs p50`] = round(percentile(first, 0.5));
  for (const verb of ["add", "del"] as const) await runner[verb](subject, pods.slice(0, WARM_UP.atOnce));
  for (const pod of pods.slice(0, ALONE)) {
    alone.ADD.push(await runner.add(subject, [pod]));
    alone.DEL.push(await runner.del(subject, [pod]));
  }
  for (const [verb, times] of Object.entries(alone)) {
    for (const share of [50, 99]) figures[`${verb} alone p${share}`] = round(percentile(times, share / 100));
  }
  for (const count of PARALLEL) {
    for (const verb of ["add", "del"] as const) {
      const seconds = (await runner[verb](subject, pods.slice(0, count))) / 1000;
      figures[`${count} at once, ${verb.toUpperCase()}s per second`] = round(count / seconds);
    }
  }
  return figures;
}

/** In the namespace `netns`. A list's plugins run one after the other: first all pods' first, and so on. */
function runnerIn(starter: Starter, netns: string): Runner {
  const results = new Map<string, string>();
  const call = async (command: "ADD" | "DEL", { path, config }: Plugin, pods: readonly string[]) => {
    const jobs = pods.map((pod) => {
      const known = results.get(pod);
      const prev = known === undefined ? {} : { prevResult: JSON.parse(known) };
      const input = JSON.stringify({ cniVersion: "1.0.0", name: "bench", ...config, ...prev });
      const about = { CNI_COMMAND: command, CNI_CONTAINERID: basename(pod), CNI_NETNS: pod, CNI_IFNAME: "eth0" };
      return { path, env: { ...about, CNI_PATH: REFERENCE, PATH: process.env.PATH ?? "" }, input };
    });
    const ended = await starter.run(netns, jobs);
    if (command === "ADD") for (const [i, pod] of pods.entries()) results.set(pod, ended[i]?.output ?? "");
    return Math.max(...ended.map(({ until }) => until));
  };
  const inTurn = async (command: "ADD" | "DEL", plugins: readonly Plugin[], pods: readonly string[]) => {
    let time = 0;
    for (const plugin of plugins) time += await call(command, plugin, pods);
    return time;
  };
  return {
    add: ({ plugins }, pods) => {
      for (const pod of pods) results.delete(pod);
      return inTurn("ADD", plugins, pods);
    },
    del: ({ plugins }, pods) => inTurn("DEL", plugins.toReversed(), pods),
  };
}

/**
 * What no plugin can be faster than: starting a program, and the kernel making and removing the interface of a pod, the
 * request of this process alone, without the start of another.
 */
async function floor(lab: CniLab, starter: Starter, pod: string): Promise<Figure[]> {
  const { netns } = lab.node2;
  const kernel = openRtnetlink(openNetns(netnsPath(netns)));
  const inPod = openNetns(pod);
  const podKernel = openRtnetlink(inPod);
  const master = kernel.createBridge({ name: "floor", mac: parseMac("02:00:00:00:00:01"), mtu: 1500 });
  kernel.setLink(master, { up: true });
  const starts: number[] = [];
  const creations: number[] = [];
  const removals: number[] = [];
  for (let i = 0; i < ALONE; i++) {
    const [start] = await starter.run(netns, [{ path: "/bin/true", env: {}, input: "" }]);
    starts.push(start?.until ?? Number.NaN);
    const before = performance.now();
    const peer = { name: "floor", netns: inPod };
    const link = kernel.createVeth({ name: "floor0", mtu: 1500, master, peer });
    kernel.setLink(link.index, { up: true, hairpin: true });
    podKernel.bringUp([link.peer!], []);
    creations.push(performance.now() - before);
    await sleep(SETTLING);
    const then = performance.now();
    kernel.deleteLink(link.index);
    removals.push(performance.now() - then);
  }
  podKernel.close();
  inPod.close();
  kernel.close();
  const figure = (what: string, values: readonly number[]): Figure => ({
    bench: "cni-attach",
    case: "floor",
    n: ALONE,
    metric: what,
    unit: "ms",
    value: Math.round(percentile(values, 0.5) * 100) / 100,
    peer: "none",
    peerValue: null,
  });
  return [
    figure("start of /bin/true p50", starts),
    figure("the kernel makes a pod's interface p50", creations),
    figure("the kernel removes a pod's interface p50", removals),
  ];
}

/** Resident memory of the agent while it serves as many pods as are measured at once. */
async function memory(lab: CniLab, runner: Runner, pods: readonly string[]): Promise<Figure> {
  const { ours } = subjects(lab, "")["without masquerade"]!;
  await runner.add(ours, pods);
  const status = readFileSync(`/proc/${lab.node1.pid}/status`, "utf8");
  const value = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
  const about = { bench: "cni-attach", case: "memory", n: pods.length, metric: "resident, cni part alone" } as const;
  return { ...about, unit: "MB", value, peer: "none", peerValue: null };
}

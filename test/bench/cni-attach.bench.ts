import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { exec, openNetns, runInNetns } from "../../linux/mod.ts";
import { type CniLab, createCniLab, nodeObject } from "../lab/support/cni-lab.ts";
import { type Bench, type Figure, percentile } from "./figure.ts";

/** The CNI project's plugins, as Debian has them. */
const REFERENCE = "/usr/lib/cni";
const ALONE = 60;
const PARALLEL = [50, 250];

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

interface Runner {
  add(subject: Subject, pod: string): Promise<number>;
  del(subject: Subject, pod: string): Promise<number>;
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
  const pods = await Promise.all(Array.from({ length: Math.max(...PARALLEL) }, () => lab.addPod()));
  const runners = { ours: runnerIn(lab.node1.netns), reference: runnerIn(lab.node2.netns) };
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
  return [...figures, ...(await floor(lab)), await memory(lab, runners.ours, pods)];
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
  for (const pod of pods.slice(0, ALONE)) {
    alone.ADD.push(await runner.add(subject, pod));
    alone.DEL.push(await runner.del(subject, pod));
  }
  for (const [verb, times] of Object.entries(alone)) {
    for (const share of [50, 99]) figures[`${verb} alone p${share}`] = round(percentile(times, share / 100));
  }
  for (const count of PARALLEL) {
    for (const verb of ["add", "del"] as const) {
      const start = performance.now();
      await Promise.all(pods.slice(0, count).map((pod) => runner[verb](subject, pod)));
      const seconds = (performance.now() - start) / 1000;
      figures[`${count} at once, ${verb.toUpperCase()}s per second`] = round(count / seconds);
    }
  }
  return figures;
}

/** Calls plugins as a runtime in the namespace `name` does; times are milliseconds. */
function runnerIn(name: string): Runner {
  const netns = openNetns(`/run/netns/${name}`);
  const results = new Map<string, string>();
  const call = (command: string, plugin: Plugin, pod: string, prevResult: string | undefined) => {
    const env = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: basename(pod),
      CNI_NETNS: pod,
      CNI_IFNAME: "eth0",
      CNI_PATH: REFERENCE,
      PATH: process.env.PATH,
    };
    const prev = prevResult === undefined ? {} : { prevResult: JSON.parse(prevResult) };
    const stdin = JSON.stringify({ cniVersion: "1.0.0", name: "bench", ...plugin.config, ...prev });
    const child = runInNetns(netns, () => spawn(plugin.path, [], { env, stdio: ["pipe", "pipe", "inherit"] }));
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stdin.end(stdin);
    return new Promise<string>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (exit) =>
        exit === 0 ? resolve(stdout) : reject(new Error(`${plugin.path} ${command}: ${stdout}`)),
      );
    });
  };
  return {
    async add({ plugins }, pod) {
      const start = performance.now();
      let result: string | undefined;
      for (const plugin of plugins) result = await call("ADD", plugin, pod, result);
      results.set(pod, result ?? "");
      return performance.now() - start;
    },
    async del({ plugins }, pod) {
      const start = performance.now();
      for (const plugin of plugins.toReversed()) await call("DEL", plugin, pod, results.get(pod));
      return performance.now() - start;
    },
  };
}

/** What no plugin can be faster than: starting a program, and the kernel removing an interface. */
async function floor(lab: CniLab): Promise<Figure[]> {
  const netns = openNetns(`/run/netns/${lab.node2.netns}`);
  const time = async (program: string, args: readonly string[]) => {
    const start = performance.now();
    const child = runInNetns(netns, () => spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] }));
    await new Promise((resolve) => child.once("close", resolve));
    return performance.now() - start;
  };
  const starts: number[] = [];
  const removals: number[] = [];
  for (let i = 0; i < ALONE; i++) {
    starts.push(await time("/bin/true", []));
    await exec("ip", ["-n", lab.node2.netns, "link", "add", "v0", "type", "veth", "peer", "name", "v1"]);
    removals.push(await time("ip", ["link", "del", "v0"]));
  }
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
  return [figure("start of /bin/true p50", starts), figure("`ip link del` of a veth pair p50", removals)];
}

/** Resident memory of the agent while it serves as many pods as are measured at once. */
async function memory(lab: CniLab, runner: Runner, pods: readonly string[]): Promise<Figure> {
  const { ours } = subjects(lab, "")["without masquerade"]!;
  await Promise.all(pods.map((pod) => runner.add(ours, pod)));
  const status = readFileSync(`/proc/${lab.node1.pid}/status`, "utf8");
  const value = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
  const about = { bench: "cni-attach", case: "memory", n: pods.length, metric: "resident, cni part alone" } as const;
  return { ...about, unit: "MB", value, peer: "none", peerValue: null };
}

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { IP_ADDRESS_POOLS, resolveConfig } from "../../config/mod.ts";
import { AddressMemory } from "../../controller/address-memory.ts";
import { Planner } from "../../controller/planner.ts";
import { silentLog } from "../../core/mod.ts";
import {
  createKubeClient,
  type KubeClient,
  objectKey,
  SERVICES,
  startInformer,
  type V1Service,
} from "../../kube/mod.ts";
import { type ApiServer, kubeClientOf, startApiServer } from "../../lab/api/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type Bench, type Figure, summarize } from "./figure.ts";

const ROOT = join(import.meta.dirname, "../..");
const SIZES = [1_000, 5_000, 10_000] as const;
const CHANGES = 50;
/** Services per pool when pools of different sizes are compared: as many as the smallest has room for. */
const FEW = 200;
/** Of which the first are the compiler's. */
const ROUNDS = 40;
const WARM_UP = 10;
const NO_PEER = { peer: "none", peerValue: null };
/** Measured once on the same machine, with kube-apiserver; seconds. */
const METALLB = { peer: "MetalLB", peerValue: 54 };

/** How long Services wait for their addresses, from the first create to the last status, with the controller as a process. */
export const bench: Bench = {
  summary: `${SIZES.join(", ")} Services at once, one more beside them, and pools of all sizes`,
  run: async (progress) => {
    const figures: Figure[] = [];
    for (const size of SIZES) figures.push(...(await withController((run) => grow(run, size, progress))));
    figures.push(...comparePools(progress));
    return figures;
  },
};

interface Run {
  readonly client: KubeClient;
  readonly adminUrl: string;
  /** Services that show an address. */
  readonly given: () => number;
  /** Milliseconds of CPU the controller has used, in steps of 10. */
  readonly cpu: () => number;
}

async function grow(run: Run, size: number, progress: (line: string) => void): Promise<readonly Figure[]> {
  const begun = performance.now();
  for (let i = 0; i < size; i++) await run.client.create(SERVICES, service(`s${i}`));
  const created = performance.now() - begun;
  await waitFor("all addresses", () => run.given() >= size, { deadline: 120_000, every: 5 });
  const seconds = (performance.now() - begun) / 1000;
  progress(`${size} at once: ${seconds.toFixed(2)} s, of which the creates took ${(created / 1000).toFixed(2)} s`);

  const before = { ...(await settledPlanTime(run.adminUrl)), cpu: run.cpu() };
  const latencies: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const start = performance.now();
    await run.client.create(SERVICES, service(`more${i}`));
    await waitFor("one more address", () => run.given() >= size + i + 1, { deadline: 5_000, every: 1 });
    latencies.push(performance.now() - start);
  }
  const cpu = (run.cpu() - before.cpu) / CHANGES;
  const after = await settledPlanTime(run.adminUrl);
  const each = ((after.sum - before.sum) / CHANGES) * 1000;
  progress(
    `one more beside ${size}: ${each.toFixed(2)} ms to decide, ${cpu.toFixed(1)} ms of CPU, ${latencies.map((ms) => ms.toFixed(0)).join(" ")} ms in all`,
  );
  const about = { bench: "controller", n: size, metric: "total" };
  const peer = size === 1_000 ? METALLB : NO_PEER;
  return [
    { ...about, case: "Services at once", unit: "s", value: Math.round(seconds * 100) / 100, ...peer },
    {
      ...about,
      case: `decide one change beside ${size}`,
      metric: "mean",
      unit: "ms",
      value: Math.round(each * 1000) / 1000,
      ...NO_PEER,
    },
    { ...about, case: `CPU of one change beside ${size}`, metric: "mean", unit: "ms", value: cpu, ...NO_PEER },
    ...summarize({ bench: "controller", case: `create to address beside ${size}`, unit: "ms", ...NO_PEER }, latencies),
  ];
}

/** Deciding alone, in this process: it must not matter how big the pool is. */
function comparePools(progress: (line: string) => void): readonly Figure[] {
  const pools = { "/24": "10.0.0.0/24", "/8": "11.0.0.0/8", "IPv6 /120": "fc00::/120", "IPv6 /64": "fc00::/64" };
  const times = new Map(Object.keys(pools).map((name): [string, number[]] => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    // One after the other, so that whatever else the machine does meets all of them.
    for (const [name, prefix] of Object.entries(pools)) times.get(name)!.push(planAll(prefix));
  }
  return Array.from(times, ([name, all]) => {
    const warm = all.slice(WARM_UP).sort((a, b) => a - b);
    const value = Math.round(warm[warm.length >> 1]! * 100) / 100;
    progress(`${FEW} Services from a ${name}: ${value} ms`);
    const about = { bench: "controller", case: `decide ${FEW} from a ${name}`, n: FEW };
    return { ...about, metric: "p50", unit: "ms", value, ...NO_PEER };
  });
}

function planAll(prefix: string): number {
  const family = prefix.includes(":") ? { clusterIPs: ["fd00::1"] } : { clusterIPs: ["10.96.0.1"] };
  const services = new Map(
    Array.from({ length: FEW }, (_, i) => {
      const made = service(`s${i}`);
      return [objectKey(made), { ...made, spec: { ...made.spec, ...family } } as V1Service];
    }),
  );
  const cluster = {
    service: (key: string) => services.get(key),
    services: () => [...services.values()],
    namespaceLabels: () => ({}),
  };
  const planner = new Planner(cluster, undefined, new AddressMemory({ remember: 0, coolDown: 0 }));
  const begun = performance.now();
  planner.configure(resolveConfig({ pools: [pool("a", prefix)], l2Advertisements: [] }));
  planner.plan(0);
  return performance.now() - begun;
}

/** A controller of its own process over an API server of this one. */
async function withController<T>(use: (run: Run) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "ironbridge-bench-"));
  const stop = new AbortController();
  const server = await startApiServer({
    listen: [{ host: "127.0.0.1", port: 0 }],
    crds: await crds(),
    log: silentLog(),
  });
  const kubeconfig = join(folder, "kubeconfig");
  await writeFile(kubeconfig, kubeconfigOf(server));
  const client = kubeClientOf(server);
  await client.create(IP_ADDRESS_POOLS, pool("a", "10.0.0.0/16"));
  const port = 19_000 + Math.floor(Math.random() * 1000);
  const flags = ["--kubeconfig", kubeconfig, "--namespace", "ironbridge-system", "--log-level", "error"];
  const args = ["controller", ...flags, "--admin-address", `127.0.0.1:${port}`];
  const program = spawn(join(ROOT, "bin/ironbridge"), args, { stdio: ["ignore", "ignore", "inherit"] });
  const ended = new Promise((resolve) => program.once("exit", resolve));
  try {
    const adminUrl = `http://127.0.0.1:${port}`;
    await waitFor("the controller", () => fetch(`${adminUrl}/readyz`).then(({ ok }) => ok), { deadline: 20_000 });
    let given = 0;
    const watcher = createKubeClient({ kubeconfig, userAgent: "bench" });
    const store = startInformer(watcher, SERVICES, { log: silentLog() }, stop.signal);
    store.subscribe(({ before, after }) => {
      given += Number(hasAddress(after)) - Number(hasAddress(before));
    });
    await store.whenSynced;
    return await use({ client, adminUrl, given: () => given, cpu: () => cpuOf(program.pid!) });
  } finally {
    stop.abort();
    program.kill("SIGTERM");
    await ended;
    await server.close();
    await rm(folder, { recursive: true });
  }
}

/** @see proc_pid_stat(5): utime and stime, in ticks of 10 ms. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function hasAddress(service: V1Service | undefined): boolean {
  return (service?.status?.loadBalancer?.ingress ?? []).length > 0;
}

/** Once nothing is decided any more: each write comes back as news of the Service, which is looked at again. */
async function settledPlanTime(adminUrl: string): Promise<{ readonly sum: number }> {
  let before = await planTime(adminUrl);
  const settled = async () => {
    const now = await planTime(adminUrl);
    const same = now.sum === before.sum;
    before = now;
    return same;
  };
  await waitFor("the last decision", settled, { deadline: 30_000, every: 300 });
  return before;
}

/** Time the controller spent deciding so far, in seconds. */
async function planTime(adminUrl: string): Promise<{ readonly sum: number }> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return { sum: Number(/^ironbridge_controller_plan_seconds_sum (.*)$/m.exec(text)?.[1] ?? Number.NaN) };
}

function service(name: string): V1Service {
  return {
    metadata: { name, namespace: "default" },
    // There are fewer node ports than Services here.
    spec: {
      type: "LoadBalancer",
      allocateLoadBalancerNodePorts: false,
      ports: [{ port: 80 }],
      selector: { app: name },
    },
  };
}

function pool(name: string, prefix: string) {
  return { metadata: { name, namespace: "ironbridge-system" }, spec: { addresses: [prefix] } };
}

async function crds(): Promise<object[]> {
  const folder = join(ROOT, "deploy/crds");
  return Promise.all((await readdir(folder)).map(async (file) => parse(await readFile(join(folder, file), "utf8"))));
}

function kubeconfigOf({ url }: ApiServer): string {
  const name = "bench";
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server: url } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}

import { resolveConfig } from "../../config/mod.ts";
import { AddressMemory } from "../../controller/address-memory.ts";
import { Planner } from "../../controller/planner.ts";
import { objectKey, SERVICES, type V1Service } from "../../kube/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type Bench, type Figure, percentile, summarize } from "./figure.ts";
import { ControllerRun, poolObject, type Replica, serviceObject } from "./support/controller-run.ts";

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
    for (const size of SIZES) figures.push(...(await grow(size, progress)));
    figures.push(...comparePools(progress));
    return figures;
  },
};

async function grow(size: number, progress: (line: string) => void): Promise<readonly Figure[]> {
  await using run = await ControllerRun.begin();
  const replica = await run.startReplica();
  const begun = performance.now();
  for (let i = 0; i < size; i++) await run.client.create(SERVICES, serviceObject(`s${i}`));
  const created = performance.now() - begun;
  await waitFor("all addresses", () => run.given >= size, { deadline: 120_000, every: 5 });
  const seconds = (performance.now() - begun) / 1000;
  progress(`${size} at once: ${seconds.toFixed(2)} s, of which the creates took ${(created / 1000).toFixed(2)} s`);

  const before = { ...(await settledPlanTime(replica)), cpu: replica.cpu };
  const latencies: number[] = [];
  for (let i = 0; i < CHANGES; i++) {
    const start = performance.now();
    await run.client.create(SERVICES, serviceObject(`more${i}`));
    await waitFor("one more address", () => run.given >= size + i + 1, { deadline: 5_000, every: 1 });
    latencies.push(performance.now() - start);
  }
  const cpu = (replica.cpu - before.cpu) / CHANGES;
  const after = await settledPlanTime(replica);
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
    const value = Math.round(percentile(all.slice(WARM_UP), 0.5) * 100) / 100;
    progress(`${FEW} Services from a ${name}: ${value} ms`);
    const about = { bench: "controller", case: `decide ${FEW} from a ${name}`, n: FEW };
    return { ...about, metric: "p50", unit: "ms", value, ...NO_PEER };
  });
}

function planAll(prefix: string): number {
  const family = prefix.includes(":") ? { clusterIPs: ["fd00::1"] } : { clusterIPs: ["10.96.0.1"] };
  const services = new Map(
    Array.from({ length: FEW }, (_, i) => {
      const made = serviceObject(`s${i}`);
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
  planner.configure(resolveConfig({ pools: [poolObject("a", prefix)], l2Advertisements: [] }));
  planner.plan(0);
  return performance.now() - begun;
}

/** Once nothing is decided any more: each write comes back as news of the Service, which is looked at again. */
async function settledPlanTime(replica: Replica): Promise<{ readonly sum: number }> {
  let before = await planTime(replica);
  const settled = async () => {
    const now = await planTime(replica);
    const same = now.sum === before.sum;
    before = now;
    return same;
  };
  await waitFor("the last decision", settled, { deadline: 30_000, every: 300 });
  return before;
}

/** Time the controller spent deciding so far, in seconds. */
async function planTime(replica: Replica): Promise<{ readonly sum: number }> {
  const text = await replica.metrics();
  return { sum: Number(/^ironbridge_controller_plan_seconds_sum (.*)$/m.exec(text)?.[1] ?? Number.NaN) };
}

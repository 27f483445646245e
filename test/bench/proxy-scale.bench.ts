import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { hasKubeProxy, KUBE_PROXY_REMEDY } from "../lab/support/kube-proxy.ts";
import { type Bench, type Figure, percentile } from "./figure.ts";
import { MODES, type Mode, PROGRAMS, type ProgramName } from "./support/proxy-program.ts";
import type { ProxyRun } from "./support/proxy-run.ts";

/** Services with 5 endpoints each. */
const SIZES = numbers("IRONBRIDGE_BENCH_SIZES", "1000,5000,10000,30000");
/** kube-proxy needs minutes for more than these. */
const PEER_SIZES = numbers("IRONBRIDGE_BENCH_PEER_SIZES", "1000,5000");

/** Milliseconds, megabytes: what DESIGN.md wants at 5,000 Services. */
const TARGETS: Readonly<Record<string, number>> = {
  "nftables first sync": 400,
  "nftables change p50": 15,
  "nftables change p99": 50,
  "iptables change p50": 15,
  "iptables change p99": 50,
  "iptables connect first p50": 0.02,
  "iptables connect last p50": 0.02,
  "nftables memory": 160,
  "iptables memory": 160,
};
const TARGET_SIZE = 5000;
/** Change cost at the largest size over that at the smallest. */
const FLATNESS = 1.5;

/** Milliseconds. */
const LONGEST_RUN = 900_000;

type Runs = Readonly<Record<ProgramName, ReadonlyMap<number, ProxyRun>>>;

export const bench: Bench = {
  summary: `the proxy with ${SIZES.join(", ")} Services of 5 endpoints, and kube-proxy with ${PEER_SIZES.join(", ")}`,
  run: async (progress) => {
    const peers = hasKubeProxy() ? PEER_SIZES.filter((size) => SIZES.includes(size)) : [];
    if (!hasKubeProxy()) progress(`no kube-proxy to compare with: ${KUBE_PROXY_REMEDY}`);
    const figures: Figure[] = [];
    for (const mode of MODES) {
      const runs = { ironbridge: new Map<number, ProxyRun>(), "kube-proxy": new Map<number, ProxyRun>() };
      for (const size of SIZES) {
        // One after the other at each size, so that both meet the machine in the same state.
        for (const program of PROGRAMS) {
          if (program === "kube-proxy" && !peers.includes(size)) continue;
          const run = await runOnce(program, mode, size);
          runs[program].set(size, run);
          progress(
            `${program} ${mode} ${size}: cold ${run.cold.toFixed(0)} ms, change p50 ${percentile(run.changes, 0.5).toFixed(1)} ms`,
          );
        }
      }
      figures.push(...SIZES.flatMap((size) => figuresOf(mode, size, runs)), ...flatness(mode, runs.ironbridge));
    }
    return figures;
  },
};

function numbers(variable: string, otherwise: string): number[] {
  return (process.env[variable] ?? otherwise).split(",").map(Number);
}

async function runOnce(program: ProgramName, mode: Mode, size: number): Promise<ProxyRun> {
  const script = join(import.meta.dirname, "support", "proxy-run.ts");
  const env = { ...process.env, IRONBRIDGE_PROXY_LAB_PREFIX: "ib-pxb-" };
  const args = [script, program, mode, String(size)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env, timeout: LONGEST_RUN });
  return JSON.parse(stdout);
}

interface Row {
  readonly metric: string;
  readonly unit: string;
  readonly n: number;
  readonly value: number;
}

function rowsOf({ changes, connects: { first, last }, stream, ...run }: ProxyRun): Row[] {
  const one = (metric: string, unit: string, value: number): Row => ({ metric, unit, n: 1, value });
  const spread = (metric: string, values: readonly number[]): Row[] =>
    [0.5, 0.99].map((share) => ({
      metric: `${metric} p${100 * share}`,
      unit: "ms",
      n: values.length,
      value: percentile(values, share),
    }));
  return [
    one("cold", "ms", run.cold),
    one("first sync", "ms", run.firstSync),
    one("warm restart", "ms", run.warm),
    one("warm restart, transactions", "count", run.warmWrites),
    ...spread("change", changes),
    one("burst of 1,000 changes", "ms", run.burst),
    one("memory", "MB", run.rssMb),
    ...spread("connect first", first),
    ...spread("connect last", last),
    one("stream", "Gbit/s", stream.gigabitsPerSecond),
    one("stream, kernel time", "s/GB", stream.kernelSecondsPerGb),
  ];
}

/** What Ironbridge needed, beside what kube-proxy needed in the same run, and what DESIGN.md wants. */
function figuresOf(mode: Mode, size: number, runs: Runs): Figure[] {
  const [run, peerRun] = [runs.ironbridge.get(size), runs["kube-proxy"].get(size)];
  if (run === undefined) return [];
  const peers = new Map((peerRun === undefined ? [] : rowsOf(peerRun)).map((row) => [row.metric, row.value]));
  return rowsOf(run).flatMap((row) => {
    const about = { bench: "proxy-scale", case: `${mode}, ${size} Services`, ...row, value: round(row.value) };
    const measured = peers.get(row.metric);
    const target = size === TARGET_SIZE ? TARGETS[`${mode} ${row.metric}`] : undefined;
    return [
      measured === undefined
        ? { ...about, peer: "none", peerValue: null }
        : { ...about, peer: "kube-proxy, this run", peerValue: round(measured) },
      ...(target === undefined ? [] : [{ ...about, peer: "target", peerValue: target }]),
    ];
  });
}

function flatness(mode: Mode, runs: ReadonlyMap<number, ProxyRun>): Figure[] {
  const [low, high] = [Math.min(...SIZES), Math.max(...SIZES)];
  const cost = (size: number) => percentile(runs.get(size)?.changes ?? [], 0.5);
  const value = round(cost(high) / cost(low));
  const about = { bench: "proxy-scale", case: `${mode}, ${high} over ${low} Services`, n: 2, unit: "ratio" };
  return low === high ? [] : [{ ...about, metric: "change p50", value, peer: "target", peerValue: FLATNESS }];
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

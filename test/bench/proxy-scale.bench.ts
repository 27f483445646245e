import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { HOMES } from "../lab/support/proxy-lab.ts";
import { type Bench, type Figure, percentile } from "./figure.ts";
import type { ProxyRun } from "./support/proxy-run.ts";

/** Services with 5 endpoints each. Legacy copies the whole table for each restore, so its 30,000 say nothing new. */
const SIZES = (process.env.IRONBRIDGE_BENCH_SIZES ?? "1000,5000,10000,30000").split(",").map(Number);
const HOMES_WANTED = (process.env.IRONBRIDGE_BENCH_HOMES ?? HOMES.join(",")).split(",");
const RECORDED = "kube-proxy 1.34.4 in the same mode, recorded 2026-11";
/** Recorded on this machine, milliseconds: home, size, metric. */
const PEER: Readonly<Record<string, number>> = {
  "nftables 1000 cold": 500,
  "nftables 5000 cold": 8_300,
  "nftables 10000 cold": 46_700,
  "nftables 1000 change p50": 160,
  "nftables 5000 change p50": 1_400,
  "nftables 10000 change p50": 4_700,
  "iptables-nft 1000 cold": 1_200,
  "iptables-nft 5000 cold": 44_000,
  "iptables-nft 1000 change p50": 78,
  "iptables-nft 5000 change p50": 370,
  "iptables-nft 1000 connect first p50": 0.045,
};

export const bench: Bench = {
  summary: `the proxy with ${SIZES.join(", ")} Services of 5 endpoints: start, restart, one change, a burst, memory, connects`,
  run: async (progress) => {
    const figures: Figure[] = [];
    for (const home of HOMES_WANTED) {
      for (const size of SIZES) {
        const run = await runOnce(home, size);
        progress(
          `${home} ${size}: cold ${run.cold.toFixed(0)} ms, change p50 ${percentile(run.changes, 0.5).toFixed(2)} ms`,
        );
        figures.push(...figuresOf(home, size, run));
      }
    }
    return figures;
  },
};

async function runOnce(home: string, size: number): Promise<ProxyRun> {
  const script = join(import.meta.dirname, "support", "proxy-run.ts");
  const env = { ...process.env, IRONBRIDGE_PROXY_LAB_PREFIX: "ib-pxb-" };
  const { stdout } = await promisify(execFile)(process.execPath, [script, home, String(size)], { env });
  return JSON.parse(stdout);
}

function figuresOf(home: string, size: number, run: ProxyRun): Figure[] {
  const { first, last } = run.connects;
  const rows: [metric: string, unit: string, n: number, value: number][] = [
    ["cold", "ms", 1, run.cold],
    ["warm restart", "ms", 1, run.warm],
    ["warm restart, syncs that wrote", "count", 1, run.warmWrites],
    ["change p50", "ms", run.changes.length, percentile(run.changes, 0.5)],
    ["change p99", "ms", run.changes.length, percentile(run.changes, 0.99)],
    ["burst of 1,000 changes", "ms", 1, run.burst],
    ["memory", "MB", 1, run.rssMb],
    ["connect first p50", "ms", first.length, percentile(first, 0.5)],
    ["connect first p99", "ms", first.length, percentile(first, 0.99)],
    ["connect last p50", "ms", last.length, percentile(last, 0.5)],
    ["connect last p99", "ms", last.length, percentile(last, 0.99)],
  ];
  return rows.map(([metric, unit, n, value]) => {
    const peerValue = PEER[`${home} ${size} ${metric}`] ?? null;
    const peer = peerValue === null ? "none" : RECORDED;
    return {
      bench: "proxy-scale",
      case: `${home}, ${size} Services`,
      n,
      metric,
      unit,
      value: round(value),
      peer,
      peerValue,
    };
  });
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

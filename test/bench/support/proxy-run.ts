/**
 * One run of the proxy at one size, in a process of its own, so that its memory is its own: prints a JSON line.
 * Arguments: the home of the rules (nftables, iptables-nft, iptables-legacy) and the number of Services.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { V1EndpointSlice, V1Service } from "../../../kube/mod.ts";
import { createProxyLab, type Home, type ProxyLab, type RunningProxy } from "../../lab/support/proxy-lab.ts";
import { waitFor } from "../../support/wait.ts";

/** What proxy-scale.bench.ts reads. All times are milliseconds. */
export interface ProxyRun {
  readonly cold: number;
  readonly warm: number;
  /** Syncs of the warm start that had anything to write: none should. */
  readonly warmWrites: number;
  readonly changes: readonly number[];
  readonly burst: number;
  readonly rssMb: number;
  /** New TCP connections from a pod to the first and the last Service. */
  readonly connects: { readonly first: readonly number[]; readonly last: readonly number[] };
}

const ENDPOINTS = 5;
const CHANGES = 100;
const BURST = 1000;
/** Milliseconds between changes: longer than the proxy waits for more after one. */
const QUIET = 15;
const CONNECTS = 300;
/** Milliseconds for a whole load: iptables-nft takes long. */
const PATIENCE = 600_000;

const [home, size] = [process.argv[2] as Home, Number(process.argv[3])];
const addressOf = (i: number) => `10.96.${i >> 8}.${i & 255}`;

function serviceOf(i: number): V1Service {
  const clusterIP = addressOf(i + 1);
  return {
    metadata: { name: `s${i}`, namespace: "bench", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { type: "ClusterIP", clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80, protocol: "TCP" }] },
    status: {},
  };
}

/** The first and the last Service have a pod that answers, the others addresses that nobody has. */
function sliceOf(i: number, turn: number): V1EndpointSlice {
  const answers = i === 0 || i === size - 1;
  const addresses = answers
    ? ["10.244.1.3"]
    : Array.from(
        { length: ENDPOINTS },
        (_, e) => `10.245.${((i * ENDPOINTS + e) >> 8) & 255}.${(i * ENDPOINTS + e + (e === 0 ? turn : 0)) & 255}`,
      );
  return {
    metadata: { name: `s${i}`, namespace: "bench", labels: { "kubernetes.io/service-name": `s${i}` } },
    addressType: "IPv4",
    ports: [{ port: 8080, protocol: "TCP" }],
    endpoints: addresses.map((address) => ({ addresses: [address], nodeName: "node2", conditions: { ready: true } })),
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** From the word of the cluster to the kernel's. */
function change(lab: ProxyLab, running: RunningProxy, i: number, turn: number): Promise<number> {
  return timed(async () => {
    const written = new Promise<void>((resolve) => {
      const stop = running.proxy.subscribe(() => {
        if (!running.proxy.programmed(`bench/s${i}`)) return;
        stop();
        resolve();
      });
    });
    lab.stores.slices.set(sliceOf(i, turn));
    await written;
  });
}

async function measure(lab: ProxyLab): Promise<ProxyRun> {
  for (let i = 0; i < size; i++) {
    lab.stores.services.set(serviceOf(i));
    lab.stores.slices.set(sliceOf(i, 0));
  }
  const start = () => lab.start(home, {}, PATIENCE);
  let running!: RunningProxy;
  const cold = await timed(async () => {
    running = await start();
  });
  await running.stop();
  const warm = await timed(async () => {
    running = await start();
  });
  const warmWrites = await running.written();
  const changes: number[] = [];
  for (let n = 1; n <= CHANGES; n++) {
    await sleep(QUIET);
    changes.push(await change(lab, running, 1 + ((n * 37) % (size - 2)), n));
  }
  const burst = await timed(async () => {
    const keys = Array.from({ length: Math.min(BURST, size - 2) }, (_, n) => n + 1);
    for (const i of keys) lab.stores.slices.set(sliceOf(i, CHANGES + 1));
    const isDone = () => keys.every((i) => running.proxy.programmed(`bench/s${i}`));
    await waitFor("the burst to be written", isDone, { deadline: PATIENCE, every: 2 });
  });
  const rssMb = process.memoryUsage().rss / 2 ** 20;
  const connects = { first: await connectTimes(lab, addressOf(1)), last: await connectTimes(lab, addressOf(size)) };
  await running.stop();
  return { cold, warm, warmWrites, changes, burst, rssMb, connects };
}

async function connectTimes(lab: ProxyLab, host: string): Promise<readonly number[]> {
  return JSON.parse(await lab.hosts.pod1.order({ kind: "time", host, port: 80, count: CONNECTS }));
}

const lab = await createProxyLab();
try {
  console.log(JSON.stringify(await measure(lab)));
} finally {
  await lab.remove();
}

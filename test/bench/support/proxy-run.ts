/**
 * One run of a Service proxy at one size: prints a JSON line. Arguments: the program (ironbridge, kube-proxy), its mode
 * (nftables, iptables) and the number of Services. The lab, the API server and the watch on the kernel are this process.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { silentLog } from "../../../core/mod.ts";
import {
  ENDPOINT_SLICES,
  type KubeClient,
  NAMESPACES,
  NODES,
  SERVICES,
  type V1EndpointSlice,
  type V1Service,
} from "../../../kube/mod.ts";
import { kubeClientOf, startApiServer } from "../../../lab/api/mod.ts";
import { createListenSocket, watchNft } from "../../../linux/mod.ts";
import { ADDRESSES, createProxyLab, type ProxyLab, SERVING_PORT } from "../../lab/support/proxy-lab.ts";
import { waitFor } from "../../support/wait.ts";
import { bundledProgram } from "./bundle.ts";
import { type Mode, type ProgramName, ProxyProgram } from "./proxy-program.ts";
import { measureStream, STREAM_PORT, type StreamCost } from "./proxy-stream.ts";

/** What proxy-scale.bench.ts reads. All times are milliseconds. */
export interface ProxyRun {
  /** From the start of the program to connections to the first and the last Service. */
  readonly cold: number;
  /** What the program itself says its first sync took. */
  readonly firstSync: number;
  /** From the start of a program that finds its rules to its own word that all is right. */
  readonly warm: number;
  /** Transactions of the kernel's meanwhile: none is needed. */
  readonly warmWrites: number;
  /** From the write to the API server to the kernel's notice of the transaction. */
  readonly changes: readonly number[];
  readonly burst: number;
  readonly rssMb: number;
  /** New TCP connections from a pod to the first and the last Service. */
  readonly connects: { readonly first: readonly number[]; readonly last: readonly number[] };
  readonly stream: StreamCost;
}

const ENDPOINTS = 5;
const BURST = 1000;
/** How many single changes, and milliseconds between them: longer than the program waits for more after one. */
const CHANGES = { ironbridge: { count: 100, quiet: 30 }, "kube-proxy": { count: 10, quiet: 1200 } } as const;
const BURST_TURN = 255;
const CONNECTS = 300;
/** Milliseconds for a whole load: iptables takes long. */
const PATIENCE = 300_000;
/** Milliseconds: a connection that began before its rule was there is not answered. */
const ANSWER = 100;
const API_PORT = 6443;

const [program, mode, size] = [process.argv[2] as ProgramName, process.argv[3] as Mode, Number(process.argv[4])];
/** 10.96.0.1 is the API server's. */
const addressOf = (i: number) => `10.96.${(i + 2) >> 8}.${(i + 2) & 255}`;
const FIRST = addressOf(0);
const LAST = addressOf(size - 1);
const STREAM = "10.96.255.1";

function serviceOf(name: string, clusterIP: string, port = 80): V1Service {
  const ports = [{ port, protocol: "TCP" }];
  return {
    metadata: { name, namespace: "bench" },
    spec: { type: "ClusterIP", clusterIP, clusterIPs: [clusterIP], ports },
  };
}

function sliceOf(name: string, addresses: readonly string[], port = SERVING_PORT): V1EndpointSlice {
  return {
    metadata: { name, namespace: "bench", labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports: [{ name: "", port, protocol: "TCP" }],
    endpoints: addresses.map((address) => ({ addresses: [address], nodeName: "node2", conditions: { ready: true } })),
  };
}

/** The first and the last Service have a pod that answers, the others addresses that nobody has; each turn one is new. */
function endpointsOf(i: number, turn: number): V1EndpointSlice {
  if (i === 0 || i === size - 1)
    return sliceOf(`s${i}`, [(turn === BURST_TURN ? ADDRESSES.pod3 : ADDRESSES.pod2).ipv4]);
  const addresses = Array.from({ length: ENDPOINTS }, (_, e) => {
    const n = ENDPOINTS * i + e;
    return `10.${200 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;
  });
  return sliceOf(`s${i}`, turn === 0 ? addresses : [`10.210.${turn}.${i & 255}`, ...addresses.slice(1)]);
}

async function fill(client: KubeClient): Promise<void> {
  const addresses = [{ type: "InternalIP", address: ADDRESSES.node.ipv4 }];
  await client.create(NAMESPACES, { metadata: { name: "bench" } });
  await client.create(NODES, { metadata: { name: "node1" } });
  await client.update(NODES, { metadata: { name: "node1" }, status: { addresses } }, "status");
  await client.create(SERVICES, serviceOf("stream", STREAM, STREAM_PORT));
  await client.create(ENDPOINT_SLICES, sliceOf("stream", [ADDRESSES.pod2.ipv4], STREAM_PORT));
  for (let i = 0; i < size; i++) {
    await client.create(SERVICES, serviceOf(`s${i}`, addressOf(i)));
    await client.create(ENDPOINT_SLICES, endpointsOf(i, 0));
  }
}

/** The kernel's notices of transactions of nftables, which iptables makes too. */
class Notices {
  count = 0;
  /** Milliseconds since 1970. */
  last = 0;
  #listener = () => {};
  readonly #watch: { close(): void };

  constructor(lab: ProxyLab) {
    this.#watch = watchNft(() => {
      this.count++;
      this.last = Date.now();
      this.#listener();
    }, lab.netns);
  }

  /** @throws {Error} when there is none for a minute. */
  next(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("the kernel had no transaction for a minute")), 60_000);
      this.#listener = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  close(): void {
    this.#watch.close();
  }
}

async function measure(lab: ProxyLab, client: KubeClient, start: () => ProxyProgram): Promise<ProxyRun> {
  const notices = new Notices(lab);
  const change = (i: number, turn: number) => client.update(ENDPOINT_SLICES, endpointsOf(i, turn));
  const answers = async (host: string, pod: string) =>
    (await lab.hosts.pod1.ask(host, 80, { timeout: ANSWER })).startsWith(pod);
  const answered = (host: string, pod: string) =>
    waitFor(`${pod} to answer at ${host}`, () => answers(host, pod), { deadline: PATIENCE, every: 5 });
  let running = start();
  try {
    await answered(FIRST, "pod2");
    await answered(LAST, "pod2");
    // The answer may be here before the notice of what made it possible.
    await waitFor("a notice of the kernel", () => notices.count > 0, { deadline: PATIENCE, every: 5 });
    const cold = notices.last - running.startedAt;
    await running.synced();
    const firstSync = await running.syncing();

    await running.stop();
    notices.count = 0;
    running = start();
    const warm = (await running.synced()) - running.startedAt;
    const warmWrites = notices.count;

    const changes: number[] = [];
    const { count, quiet } = CHANGES[program];
    for (let n = 1; n <= count; n++) {
      await sleep(quiet);
      const begin = performance.now();
      const noticed = notices.next();
      await change(1 + ((n * 37) % (size - 2)), n);
      await noticed;
      changes.push(performance.now() - begin);
    }

    await sleep(quiet);
    const begin = performance.now();
    for (let i = 1; i <= Math.min(BURST - 1, size - 2); i++) await change(i, BURST_TURN);
    await change(size - 1, BURST_TURN);
    await answered(LAST, "pod3");
    const burst = performance.now() - begin;

    const { rssMb } = running;
    const connects = { first: await connectTimes(lab, FIRST), last: await connectTimes(lab, LAST) };
    const stream = await measureStream(lab, STREAM);
    return { cold, firstSync, warm, warmWrites, changes, burst, rssMb, connects, stream };
  } finally {
    notices.close();
    await running.stop();
  }
}

async function connectTimes(lab: ProxyLab, host: string): Promise<readonly number[]> {
  return JSON.parse(await lab.hosts.pod1.order({ kind: "time", host, port: 80, count: CONNECTS }));
}

function writeKubeconfig(file: string, server: string): void {
  const name = "bench";
  const config = {
    clusters: [{ name, cluster: { server } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  };
  writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "Config", ...config }));
}

const directory = mkdtempSync(join(tmpdir(), "ib-bench-"));
const lab = await createProxyLab();
try {
  await lab.run("sysctl", "-qw", "net.ipv4.ip_forward=1"); // kube-proxy leaves that to others
  // What a kubelet leaves: rules go where its own are.
  for (const iptables of ["iptables-nft", "ip6tables-nft"])
    await lab.run(iptables, "-t", "mangle", "-N", "KUBE-IPTABLES-HINT");
  const fd = createListenSocket("127.0.0.1", API_PORT, lab.netns);
  const server = await startApiServer({ listen: [{ host: "127.0.0.1", port: 0 }, { fd }], crds: [], log: silentLog() });
  const client = kubeClientOf(server);
  await fill(client);
  const apiServer = `http://127.0.0.1:${API_PORT}`;
  const kubeconfig = join(directory, "kubeconfig");
  writeKubeconfig(kubeconfig, apiServer);
  const options = { name: program, mode, apiServer, kubeconfig, directory, program: await bundledProgram() };
  const start = () => new ProxyProgram(lab, options);
  console.log(JSON.stringify(await measure(lab, client, start)));
  await server.close();
} finally {
  await lab.remove();
  rmSync(directory, { recursive: true });
}

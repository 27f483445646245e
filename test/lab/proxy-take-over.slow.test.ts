import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { silentLog } from "../../core/mod.ts";
import { type ApiServer, startApiServer } from "../../lab/api/mod.ts";
import { createListenSocket } from "../../linux/mod.ts";
import { kernelOf, removeRules } from "../../proxy/mod.ts";
import { waitFor } from "../support/wait.ts";
import { hasKubeProxy, KUBE_PROXY_REMEDY, kubeProxyCommand } from "./support/kube-proxy.ts";
import {
  ADDRESSES,
  createProxyLab,
  HOMES,
  NODE_NETNS,
  type ProxyLab,
  podSlice,
  type RunningProxy,
  webService,
} from "./support/proxy-lab.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const API_PORT = 6443;
const CLUSTER_IP = "10.96.0.10";
/** Connections held meanwhile. */
const HELD = 200;
/** Milliseconds: a program that starts on a busy machine. */
const PATIENCE = 30_000;
/** Milliseconds: below the second after which a client that lost its first packet sends another. */
const ANSWER = 900;

let lab: ProxyLab;
let api: ApiServer;
let kubeProxy: ChildProcess | undefined;
let running: RunningProxy | undefined;

beforeAll(async () => {
  lab = await createProxyLab();
  await lab.run("sysctl", "-qw", "net.ipv4.ip_forward=1"); // kube-proxy leaves that to others
  const fd = createListenSocket("127.0.0.1", API_PORT, lab.netns);
  api = await startApiServer({ listen: [{ host: "127.0.0.1", port: 0 }, { fd }], crds: [], log: silentLog() });
  await fillCluster();
});
afterEach(async () => {
  await lab.hosts.client.order({ kind: "drop" });
  await running?.stop();
  running = undefined;
  await stop();
  await removeRules(kernelOf(lab.netns));
});
afterAll(async () => {
  await api?.close();
  await lab.remove();
});

/** The same Service for kube-proxy, by the API, and for Ironbridge, by its stores. */
async function fillCluster(): Promise<void> {
  const service = { ...webService({ type: "ClusterIP", clusterIPs: [CLUSTER_IP] }), status: {} };
  const ports = [{ name: "http", port: 80 }];
  const web = { ...service, spec: { ...service.spec, ports } };
  const slice = podSlice("ipv4", { pod1: {}, pod2: {} });
  lab.stores.services.set(web);
  lab.stores.slices.set(slice);
  await post("/api/v1/namespaces", { metadata: { name: "shop" } });
  await post("/api/v1/nodes", { metadata: { name: "node1" } });
  const addresses = [{ type: "InternalIP", address: ADDRESSES.node.ipv4 }];
  await post("/api/v1/nodes/node1/status", { metadata: { name: "node1" }, status: { addresses } }, "PUT");
  await post("/api/v1/namespaces/shop/services", web);
  await post("/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices", slice);
}

async function post(path: string, body: object, method = "POST"): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(api.url + path, { method, headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
}

function startKubeProxy(mode: string): void {
  const command = kubeProxyCommand(mode, `http://127.0.0.1:${API_PORT}`);
  kubeProxy = spawn("nsenter", [`--net=/run/netns/${NODE_NETNS}`, ...command], { stdio: "ignore" });
}

async function stop(): Promise<void> {
  if (kubeProxy === undefined || kubeProxy.exitCode !== null || kubeProxy.signalCode !== null) return;
  kubeProxy.kill("SIGTERM");
  await once(kubeProxy, "exit");
}

async function isServed(): Promise<boolean> {
  return (await lab.hosts.client.ask(CLUSTER_IP, 80, { timeout: ANSWER })).startsWith("pod");
}

async function allRules(): Promise<string> {
  const programs = ["iptables-nft-save", "iptables-legacy-save", "ip6tables-nft-save", "ip6tables-legacy-save"];
  const saved = await Promise.all(programs.map((program) => lab.run(program)));
  return [await lab.run("nft", "list", "tables"), ...saved].join("\n");
}

const MODES = ["iptables", "nftables"] as const;
const PAIRS = MODES.flatMap((mode) => HOMES.map((home) => [mode, home] as const));

describe.skipIf(!hasKubeProxy())(`kube-proxy (skipped where there is none: ${KUBE_PROXY_REMEDY})`, () => {
  test.each(PAIRS)(
    `in mode %s hands over to %s with ${HELD} connections held`,
    async (mode, home) => {
      startKubeProxy(mode);
      await waitFor("kube-proxy to serve", isServed, { deadline: PATIENCE });
      expect(await allRules()).toMatch(mode === "nftables" ? /table ip kube-proxy/ : /KUBE-SVC-/);
      const hold = { kind: "hold", host: CLUSTER_IP, port: 80, count: HELD } as const;
      expect(await lab.hosts.client.order(hold)).toBe(String(HELD));

      const outages: string[] = [];
      let phase = "both run";
      const asking = (async () => {
        while (phase !== "done") {
          const answer = await lab.hosts.client.ask(CLUSTER_IP, 80, { timeout: ANSWER });
          if (!answer.startsWith("pod")) outages.push(`${phase}: ${answer}`);
        }
      })();
      try {
        running = await lab.start(home, {}, PATIENCE);
        phase = "kube-proxy stops";
        await stop();
        phase = "its rules go";
        const cleanup = [join(ROOT, "bin", "ironbridge"), "cleanup", "--kube-proxy"];
        expect(await lab.run(cleanup[0]!, ...cleanup.slice(1))).toContain("kube-proxy's rules are removed");
        phase = "its rules are gone";
        expect(await lab.hosts.client.order({ kind: "holding" })).toBe(String(HELD));
      } finally {
        phase = "done";
        await asking;
      }
      expect(outages).toEqual([]);

      const rules = await allRules();
      expect(rules).not.toMatch(/KUBE-(SVC|SEP|SERVICES|NODEPORTS|POSTROUTING|FORWARD|PROXY)|table ip6? kube-proxy/);
      expect(rules).toMatch(home === "nftables" ? /ironbridge-proxy/ : /IRON-/);
    },
    2 * PATIENCE,
  );
});

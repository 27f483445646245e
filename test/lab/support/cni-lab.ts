import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { V1Namespace, V1Node } from "../../../kube/mod.ts";
import { buildTopology, netnsPath, removeTopology } from "../../../lab/topology.ts";
import { exec } from "../../../linux/mod.ts";
import { waitFor } from "../../support/wait.ts";
import { WORKER } from "../../support/worker.ts";
import type { ClusterNews, CniNodeOptions, StateQuestion } from "./cni-node.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const ROOT = resolve(import.meta.dirname, "../../..");

/** Nodes with the CNI part on one L2 network, as network namespaces, and a host outside that knows no way to any pod. */
export interface CniLab {
  readonly node1: CniNode;
  readonly node2: CniNode;
  /** Path of the namespace of 192.168.1.10. */
  readonly outside: string;
  /** A fresh namespace for a pod; gives its path. */
  addPod(): Promise<string>;
  remove(): Promise<void>;
}

export interface PluginCall {
  readonly command: string;
  readonly containerId?: string;
  readonly netns?: string;
  readonly ifname?: string;
  /** Where plugins look for others. */
  readonly path?: string;
  /** The Namespace of the pod; no pod of Kubernetes when absent. */
  readonly namespace?: string;
  /** Added to the plugin's configuration. */
  readonly config?: object;
}

export interface PluginAnswer {
  readonly exit: number | null;
  readonly stdout: string;
}

/** The Node object of node `number`, as the cluster would have it. */
export function nodeObject(
  number: number,
  podCidrs = [`10.244.${number}.0/24`, `fd00:244:${number}::/64`],
  addresses = [`192.168.1.${10 + number}`],
): V1Node {
  return {
    metadata: { name: `node${number}` },
    spec: { podCIDRs: podCidrs },
    status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
  };
}

/** @param tag Part of the names of its namespaces: two labs at once want two. */
export async function createCniLab(tag = `cni${WORKER}`): Promise<CniLab> {
  await exec(join(ROOT, "tools/build-shim"), []);
  const topology = await buildTopology(tag, 2);
  const directory = mkdtempSync(join(tmpdir(), "ib-cni-"));
  const [node1, node2] = topology.nodes.map(({ name, netns }) => new CniNode(name, netns, join(directory, name)));
  let pods = 0;
  return {
    node1: node1!,
    node2: node2!,
    outside: netnsPath(topology.client.netns),
    addPod: async () => {
      pods += 1;
      const name = `ib-${tag}-pod-${pods.toString(16).padStart(10, "0")}`;
      await exec("ip", ["netns", "add", name]);
      return netnsPath(name);
    },
    remove: async () => {
      await Promise.all([node1!.kill(), node2!.kill()]);
      await removeTopology(tag);
      rmSync(directory, { recursive: true });
    },
  };
}

/** One node: the CNI part as a process of its own, and the plugin. */
export class CniNode {
  readonly name: string;
  readonly netns: string;
  readonly options: Omit<CniNodeOptions, "nodes">;
  readonly #directory: string;
  readonly #bootId: string;
  #process: ChildProcess | undefined;

  constructor(name: string, netns: string, directory: string) {
    this.name = name;
    this.netns = netns;
    this.#directory = directory;
    this.#bootId = `${directory}.boot-id`;
    this.options = {
      node: name,
      namespaces: [{ metadata: { name: "default" } }],
      clusterCidrs: ["10.244.0.0/16", "fd00:244::/32"],
      nonMasqueradeCidrs: [],
      routing: "direct",
      tunnelPort: 8472,
      fastPath: true,
      socketPath: join(directory, "run/cni.sock"),
      stateDir: join(directory, "state"),
      binDir: join(directory, "bin"),
      confDir: join(directory, "net.d"),
      resultDir: join(directory, "results"),
      hostLocalDir: join(directory, "networks"),
      shimPath: join(ROOT, "dist/ironbridge-cni"),
    };
  }

  /** Of the process that runs the CNI part. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  get storePath(): string {
    return join(this.options.stateDir, "pod-addresses.db");
  }

  /** Addresses in the store that belong to a pod. The CNI part must not run: it has the store for itself. */
  async countLeases(): Promise<number> {
    const query = `sqlite3.connect("${this.storePath}").execute("select count(*) from lease").fetchone()[0]`;
    return Number(await exec("python3", ["-c", `import sqlite3; print(${query})`]));
  }

  get conflist(): string {
    return join(this.options.confDir, "10-ironbridge.conflist");
  }

  start(nodes: readonly V1Node[], changes: Partial<CniNodeOptions> = {}): void {
    rmSync(this.conflist, { force: true });
    const program = join(import.meta.dirname, "cni-node.ts");
    const log = openSync(`${this.#directory}.log`, "a");
    const command = [process.execPath, program, JSON.stringify({ ...this.options, ...changes, nodes })];
    // `ip netns exec` gives it file systems of its own, so that a boot of the node is not one of the machine.
    const boot = existsSync(this.#bootId)
      ? ["sh", "-c", `mount --bind ${this.#bootId} ${BOOT_ID}; exec "$@"`, "sh"]
      : [];
    this.#process = spawn("ip", ["netns", "exec", this.netns, ...boot, ...command], { stdio: ["pipe", log, log] });
  }

  /** As a power failure and a boot: what pods had in the kernel is gone, what is on disk stays. Start it again then. */
  async reboot(): Promise<void> {
    await this.kill();
    await this.run("nft", "flush", "ruleset");
    const links: { ifname: string }[] = JSON.parse(await this.run("ip", "-j", "link"));
    for (const { ifname } of links) {
      if (/^(iron|i[bq])/.test(ifname)) await this.run("sh", "-c", `ip link del ${ifname} 2>/dev/null; true`); // with its peer
    }
    writeFileSync(this.#bootId, `${randomUUID()}\n`);
  }

  /** Tells the CNI part of all nodes there are now. */
  setNodes(nodes: readonly V1Node[]): void {
    this.#tell({ nodes });
  }

  /** Tells the CNI part of all Namespaces there are now. */
  setNamespaces(namespaces: readonly V1Namespace[]): void {
    this.#tell({ namespaces });
  }

  /** What the CNI part says of itself in /debug/state. */
  async state(): Promise<CniState> {
    const answerEvent = `state.${randomUUID()}`;
    this.#tell({ answerEvent });
    const find = () =>
      this.log()
        .split("\n")
        .find((line) => line.includes(answerEvent));
    const line = await waitFor("the state", find, { deadline: 5000, every: 20 });
    return JSON.parse(line).state;
  }

  #tell(news: ClusterNews | StateQuestion): void {
    this.#process?.stdin?.write(`${JSON.stringify(news)}\n`);
  }

  /** Container runtimes can use it. */
  async whenReady(): Promise<void> {
    await waitFor(`${this.name} to install its plugin\n${this.log()}`, () => existsSync(this.conflist), {
      deadline: 25_000,
    });
  }

  /** As the kernel's memory killer would: no last words. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** In order. Gives the exit code. */
  stop(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  #end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    const running = this.#process;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return Promise.resolve(null);
    const gone = new Promise<number | null>((resolve) => running.once("exit", resolve));
    running.kill(signal);
    return gone;
  }

  /** Calls the plugin as a runtime does, from outside the node's namespace: it only needs the socket. */
  call(call: PluginCall): Promise<PluginAnswer> {
    const stdin = {
      cniVersion: "1.1.0",
      name: "ironbridge",
      type: "ironbridge-cni",
      agentSocket: this.options.socketPath,
    };
    return callPlugin(join(this.options.binDir, "ironbridge-cni"), call, JSON.stringify({ ...stdin, ...call.config }));
  }

  /** ADD, and the pod's addresses. Fails the test with the plugin's words when it is refused. */
  async add(
    containerId: string,
    netns: string,
    config: object = {},
  ): Promise<{ readonly ipv4: string; readonly ipv6: string; readonly result: AddJson }> {
    const { exit, stdout } = await this.call({ command: "ADD", containerId, netns, config });
    if (exit !== 0) throw new Error(`ADD failed: ${stdout}\n${this.log()}`);
    const result: AddJson = JSON.parse(stdout);
    const [ipv4 = "", ipv6 = ""] = result.ips.map(({ address }) => address.split("/")[0]!);
    return { ipv4, ipv6, result };
  }

  /** Runs a program in the node's namespace and gives its output. */
  run(...command: readonly string[]): Promise<string> {
    return exec("ip", ["netns", "exec", this.netns, ...command]);
  }

  /** Makes the CNI part look at the kernel again: it does when links change, and by itself every 30 s only. */
  async wake(): Promise<void> {
    await this.run("ip", "link", "set", "lo", "alias", `woken at ${Date.now()}`);
  }

  log(): string {
    return existsSync(`${this.#directory}.log`) ? readFileSync(`${this.#directory}.log`, "utf8") : "";
  }
}

/** Of /debug/state, what tests look at. */
export interface CniState {
  readonly ready: boolean;
  readonly problems: readonly string[];
  readonly leases: readonly { readonly addresses: readonly string[]; readonly pod?: string; readonly since: string }[];
}

/** The result of ADD in version 1.1.0. */
export interface AddJson {
  readonly cniVersion: string;
  readonly interfaces: readonly { readonly name: string; readonly mac: string; readonly sandbox?: string }[];
  readonly ips: readonly { readonly address: string; readonly gateway: string; readonly interface: number }[];
}

/** Starts the program at `path` as a runtime does, or, with `args`, a program that starts it elsewhere. */
export function callPlugin(
  path: string,
  call: PluginCall,
  stdin: string,
  args: readonly string[] = [],
): Promise<PluginAnswer> {
  const env = {
    CNI_COMMAND: call.command,
    CNI_CONTAINERID: call.containerId ?? "",
    CNI_NETNS: call.netns ?? "",
    CNI_IFNAME: call.ifname ?? "eth0",
    CNI_PATH: call.path ?? "/opt/cni/bin",
    CNI_ARGS:
      call.namespace === undefined
        ? ""
        : `IgnoreUnknown=1;K8S_POD_NAMESPACE=${call.namespace};K8S_POD_NAME=${call.containerId}`,
  };
  const child = spawn(path, args, { env: { ...env, PATH: process.env.PATH }, stdio: ["pipe", "pipe", "inherit"] });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stdin.on("error", () => {}); // it may answer without reading to the end; its exit code tells
  child.stdin.end(stdin);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exit) => resolve({ exit, stdout }));
  });
}

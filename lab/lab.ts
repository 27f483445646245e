import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import type { ProxyMode } from "../config/mod.ts";
import { IronbridgeError, type Log } from "../core/mod.ts";
import type { KubeClient } from "../kube/mod.ts";
import { createListenSocket, openNetns } from "../linux/mod.ts";
import { API_PORT, LAN_ADDRESS } from "./address-plan.ts";
import { type ApiServer, kubeClientOf, startApiServer } from "./api/mod.ts";
import { type Cluster, watchCluster } from "./cluster.ts";
import { type CommandOptions, type CommandResult, runInHost } from "./command.ts";
import { readLogFile } from "./container-log.ts";
import { startControllers } from "./controllers/mod.ts";
import { startDns } from "./dns.ts";
import { createDnsService } from "./dns-service.ts";
import { agentCommand, controllerCommand } from "./ironbridge.ts";
import { runKubectl, SAMPLES } from "./kubectl.ts";
import { startKubelet } from "./kubelet.ts";
import { type LabDirectory, labDirectory, prepareDirectory, writeKubeconfig } from "./lab-directory.ts";
import { containerLogFile } from "./pod-worker.ts";
import { type Program, startProgram } from "./program.ts";
import { runPluginOn } from "./sandbox.ts";
import { buildTopology, type LabHost, netnsPath, netnsPrefix, removeTopology, type Topology } from "./topology.ts";

export interface LabOptions {
  /** Part of the names of the network namespaces, so that labs do not meet. Without it: the fixed names of `make lab`. */
  readonly tag?: string;
  /** Absolute; made when it is not there. */
  readonly dir: string;
  /** 3 when absent. */
  readonly nodes?: number;
  /** nftables when absent. */
  readonly proxyMode?: ProxyMode;
  readonly log: Log;
  /** Told what is done next. */
  readonly onStep?: (step: string) => void;
}

/** A host of the lab's LAN, to run programs on. */
export interface LabMachine {
  readonly name: string;
  readonly netns: string;
  readonly ip: string;
  /** Runs a program to its end; never throws. */
  exec(program: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
}

export interface LabNode extends LabMachine {
  /** The file the agent's log is in. */
  readonly agentLog: string;
  /** Undefined while it is being started again. */
  agentPid(): number | undefined;
  killAgent(signal: NodeJS.Signals): void;
  cutLink(): Promise<void>;
  restoreLink(): Promise<void>;
}

/** A running cluster in network namespaces. */
export interface Lab {
  readonly api: ApiServer;
  readonly client: KubeClient;
  /** What the lab's own controllers see: stores that are always there. */
  readonly cluster: Cluster;
  readonly directory: LabDirectory;
  /** Path of the kubeconfig for kubectl on this machine. */
  readonly kubeconfig: string;
  readonly nodes: readonly LabNode[];
  /** The host outside of the cluster. */
  readonly outside: LabMachine;
  /** Runs kubectl on this machine and gives its standard output. @throws {IronbridgeError} IB_LAB_FAILED */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  applySamples(): Promise<void>;
  controllerPid(): number | undefined;
  killController(signal: NodeJS.Signals): void;
  /** Starts all agents again in that mode. */
  setProxyMode(mode: ProxyMode): Promise<void>;
  /** Ends everything and removes the namespaces; files stay. */
  stop(): Promise<void>;
}

/** Milliseconds until every node must be ready, and between two looks at an agent. */
const READY_TIMEOUT = 20_000;
const READY_INTERVAL = 50;
/** The agents' default. */
const AGENT_ADMIN_ADDRESS = "127.0.0.1:10249";
const CRD_DIRECTORY = fileURLToPath(new URL("../deploy/crds", import.meta.url));

/**
 * Starts a lab; resolves when every node is ready for pods. What it started is ended again when it fails.
 * @throws {IronbridgeError} IB_LAB_FAILED, naming the log to look at
 */
export async function startLab(options: LabOptions): Promise<Lab> {
  const abort = new AbortController();
  const programs: Program[] = [];
  const stop = async () => {
    abort.abort();
    await Promise.all(programs.map((program) => program.end()));
    await removeTopology(options.tag);
  };
  try {
    return await assembleLab(options, programs, stop, abort.signal);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function assembleLab(
  options: LabOptions,
  programs: Program[],
  stop: () => Promise<void>,
  signal: AbortSignal,
): Promise<Lab> {
  const { tag, log, proxyMode = "nftables", nodes: nodeCount = 3, onStep = () => {} } = options;
  const directory = labDirectory(options.dir);
  onStep(`network namespaces for ${nodeCount} nodes, the LAN and a client outside`);
  const topology = await buildTopology(tag, nodeCount);
  await prepareDirectory(
    directory,
    topology.nodes.map(({ name }) => name),
  );

  onStep("Kubernetes API in memory");
  const api = await serveApi(topology, directory, log);
  signal.addEventListener("abort", () => void api.close());
  const client = kubeClientOf(api);

  onStep("ironbridge agent on every node, ironbridge controller");
  const agents = topology.nodes.map((node) => startAgent(node, proxyMode, directory, log));
  const controller = startProgram(
    {
      name: "controller",
      netns: topology.lan.netns,
      command: controllerCommand(directory),
      logFile: directory.logOf("controller"),
    },
    log,
  );
  programs.push(...agents, controller);

  onStep("scheduler, controllers, DNS and a kubelet for every node");
  const cluster = await startClusterPrograms(client, topology, directory, tag, log, signal);
  await untilNodesReady(cluster, topology, directory);

  const machine = (host: LabHost): LabMachine => ({
    name: host.name,
    netns: host.netns,
    ip: host.address,
    exec: (program, args, execOptions) => runInHost(host.netns, program, args, execOptions),
  });
  const kubectl = (args: readonly string[], input?: string) => runKubectl(directory.kubeconfig, args, input);
  return {
    api,
    client,
    cluster,
    directory,
    kubeconfig: directory.kubeconfig,
    nodes: topology.nodes.map((host, i) => ({
      ...machine(host),
      agentLog: directory.logOf(`agent-${host.name}`),
      agentPid: () => agents[i]!.pid(),
      killAgent: (signalName) => agents[i]!.kill(signalName),
      cutLink: () => topology.cutLink(host.name),
      restoreLink: () => topology.restoreLink(host.name),
    })),
    outside: machine(topology.client),
    kubectl,
    applySamples: async () => void (await kubectl(["apply", "-f", SAMPLES])),
    controllerPid: () => controller.pid(),
    killController: (signalName) => controller.kill(signalName),
    setProxyMode: async (mode) => {
      const commands = topology.nodes.map((host) => agentCommand(host.name, mode, directory));
      await Promise.all(agents.map((agent, i) => agent.replace(commands[i]!)));
      await untilAgentsReady(topology, directory);
    },
    stop,
  };
}

/** The API server listens inside the LAN for programs, and on a free port of this machine for kubectl. */
async function serveApi(topology: Topology, directory: LabDirectory, log: Log): Promise<ApiServer> {
  const lan = openNetns(netnsPath(topology.lan.netns));
  try {
    const api = await startApiServer({
      listen: [{ host: "127.0.0.1", port: 0 }, { fd: createListenSocket(LAN_ADDRESS, API_PORT, lan) }],
      advertised: { host: LAN_ADDRESS, port: API_PORT },
      crds: await readCrds(),
      log,
      logs: (pod, { container, ...read }) => {
        const { nodeName } = pod.spec as { readonly nodeName?: string };
        return readLogFile(
          containerLogFile(directory.node(nodeName ?? "").pods, pod.metadata.uid ?? "", container),
          read,
        );
      },
    });
    await writeKubeconfig(directory.lanKubeconfig, `http://${LAN_ADDRESS}:${API_PORT}`);
    await writeKubeconfig(directory.kubeconfig, api.url);
    return api;
  } finally {
    lan.close();
  }
}

async function readCrds(): Promise<object[]> {
  const files = (await readdir(CRD_DIRECTORY)).filter((name) => name.endsWith(".yaml"));
  return Promise.all(files.map(async (name) => parse(await readFile(join(CRD_DIRECTORY, name), "utf8"))));
}

function startAgent(node: LabHost, proxyMode: ProxyMode, directory: LabDirectory, log: Log): Program {
  const name = `agent-${node.name}`;
  const command = agentCommand(node.name, proxyMode, directory);
  return startProgram({ name, netns: node.netns, command, logFile: directory.logOf(name) }, log);
}

/** What stands in for Kubernetes' own programs. */
async function startClusterPrograms(
  client: KubeClient,
  topology: Topology,
  directory: LabDirectory,
  tag: string | undefined,
  log: Log,
  signal: AbortSignal,
): Promise<Cluster> {
  const [cluster] = await Promise.all([watchCluster(client, log, signal), createDnsService(client)]);
  void startControllers(cluster, signal);
  for (const node of topology.nodes) {
    const paths = directory.node(node.name);
    const cni = {
      confDir: paths.cniConf,
      binDirs: [paths.cniBin],
      cacheDir: paths.cniCache,
      run: runPluginOn(node),
    };
    startKubelet({ cluster, node, netnsPrefix: netnsPrefix(tag), podsDir: paths.pods, cni }, signal);
  }
  const lan = openNetns(netnsPath(topology.lan.netns));
  startDns(cluster, LAN_ADDRESS, lan, log, signal);
  lan.close();
  return cluster;
}

/** Waits until every agent says of all its parts that they are ready: rules written, addresses held. */
async function untilAgentsReady(topology: Topology, directory: LabDirectory): Promise<void> {
  const end = Date.now() + READY_TIMEOUT;
  for (const { name, netns } of topology.nodes) {
    for (;;) {
      const url = `http://${AGENT_ADMIN_ADDRESS}/readyz`;
      const { exitCode, stdout, stderr } = await runInHost(netns, "curl", ["-sS", "--fail-with-body", "-m", "1", url]);
      if (exitCode === 0) break;
      if (Date.now() > end) {
        const why = `${stdout} ${stderr}`.trim();
        throw new IronbridgeError("IB_LAB_FAILED", `agent of ${name}: ${why}; see ${directory.logOf(`agent-${name}`)}`);
      }
      await pause(READY_INTERVAL);
    }
  }
}

/** A node is ready once its agent has installed the pod network. */
async function untilNodesReady(cluster: Cluster, topology: Topology, directory: LabDirectory): Promise<void> {
  const notReady = () =>
    topology.nodes.filter(({ name }) => {
      const conditions = cluster.nodes.get(name)?.status?.conditions ?? [];
      return !conditions.some(({ type, status }) => type === "Ready" && status === "True");
    });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      stopListening();
      const names = notReady().map(({ name }) => name);
      const logs = names.map((name) => directory.logOf(`agent-${name}`)).join(", ");
      const what = `${names.join(", ")} not ready after ${READY_TIMEOUT / 1000} s: the agent has not installed the pod network`;
      reject(new IronbridgeError("IB_LAB_FAILED", `${what}; see ${logs}`));
    }, READY_TIMEOUT);
    const check = () => {
      if (notReady().length > 0) return;
      clearTimeout(timer);
      stopListening();
      resolve();
    };
    const stopListening = cluster.nodes.subscribe(check);
    check();
  });
}

import type { ProxyMode } from "../config/mod.ts";
import type { Log } from "../core/mod.ts";
import type { KubeClient } from "../kube/mod.ts";
import { openNetns } from "../linux/mod.ts";
import { type IpFamilies, LAN_ADDRESS } from "./address-plan.ts";
import { type ApiServer, kubeClientOf } from "./api/mod.ts";
import { type Cluster, watchCluster } from "./cluster.ts";
import { type CommandOptions, type CommandResult, runInHost } from "./command.ts";
import { startControllers } from "./controllers/mod.ts";
import { startDns } from "./dns.ts";
import { createDnsService } from "./dns-service.ts";
import { agentCommand, controllerCommand } from "./ironbridge.ts";
import { runKubectl, SAMPLES } from "./kubectl.ts";
import { startKubelet } from "./kubelet.ts";
import { serveApi } from "./lab-api.ts";
import { type LabDirectory, labDirectory, prepareDirectory } from "./lab-directory.ts";
import { untilAgentsReady, untilNodesReady } from "./lab-ready.ts";
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
  /** ipv4 when absent. */
  readonly families?: IpFamilies;
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
  const { tag, log, proxyMode = "nftables", families = "ipv4", nodes: nodeCount = 3, onStep = () => {} } = options;
  const directory = labDirectory(options.dir);
  onStep(`network namespaces for ${nodeCount} nodes, the LAN and a client outside`);
  const topology = await buildTopology(tag, nodeCount, families);
  const names = topology.nodes.map(({ name }) => name);
  await prepareDirectory(directory, names);

  onStep("Kubernetes API in memory");
  const api = await serveApi(topology, directory, log);
  signal.addEventListener("abort", () => void api.close());

  onStep("ironbridge agent on every node, ironbridge controller");
  const commandOf = (node: string, mode: ProxyMode) => agentCommand(node, mode, families, directory);
  const agents = topology.nodes.map((node) => startAgent(node, commandOf(node.name, proxyMode), directory, log));
  const controller = startController(topology.lan, directory, log);
  programs.push(...agents, controller);

  onStep("scheduler, controllers, DNS and a kubelet for every node");
  const cluster = await startClusterPrograms(kubeClientOf(api), topology, directory, options, signal);
  await untilNodesReady(cluster, topology.nodes, directory);

  const kubectl = (args: readonly string[], input?: string) => runKubectl(directory.kubeconfig, args, input);
  return {
    api,
    client: cluster.client,
    cluster,
    directory,
    kubeconfig: directory.kubeconfig,
    nodes: topology.nodes.map((host, i) => labNode(host, agents[i]!, topology, directory)),
    outside: labMachine(topology.client),
    kubectl,
    applySamples: async () => void (await kubectl(["apply", "-f", SAMPLES])),
    controllerPid: controller.pid,
    killController: controller.kill,
    setProxyMode: async (mode) => {
      await Promise.all(agents.map((agent, i) => agent.replace(commandOf(names[i]!, mode))));
      await untilAgentsReady(topology.nodes, directory);
    },
    stop,
  };
}

function labMachine({ name, netns, address }: LabHost): LabMachine {
  return { name, netns, ip: address, exec: (program, args, options) => runInHost(netns, program, args, options) };
}

function labNode(host: LabHost, agent: Program, topology: Topology, directory: LabDirectory): LabNode {
  return {
    ...labMachine(host),
    agentLog: directory.logOf(`agent-${host.name}`),
    agentPid: agent.pid,
    killAgent: agent.kill,
    cutLink: () => topology.cutLink(host.name),
    restoreLink: () => topology.restoreLink(host.name),
  };
}

function startController(lan: LabHost, directory: LabDirectory, log: Log): Program {
  const name = "controller";
  const command = controllerCommand(directory);
  return startProgram({ name, netns: lan.netns, command, logFile: directory.logOf(name) }, log);
}

function startAgent(node: LabHost, command: readonly string[], directory: LabDirectory, log: Log): Program {
  const name = `agent-${node.name}`;
  return startProgram({ name, netns: node.netns, command, logFile: directory.logOf(name) }, log);
}

/** What stands in for Kubernetes' own programs. */
async function startClusterPrograms(
  client: KubeClient,
  topology: Topology,
  directory: LabDirectory,
  { tag, log, families }: LabOptions,
  signal: AbortSignal,
): Promise<Cluster> {
  const [cluster] = await Promise.all([watchCluster(client, log, signal), createDnsService(client)]);
  void startControllers(cluster, signal, families);
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

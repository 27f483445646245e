import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IPAddressPool, L2Advertisement } from "../../../config/mod.ts";
import type { V1EndpointSlice, V1Node, V1Service } from "../../../kube/mod.ts";
import { buildTopology, type LabHost, removeTopology, type Topology } from "../../../lab/topology.ts";
import { exec } from "../../../linux/mod.ts";
import { waitFor } from "../../support/wait.ts";
import type { ArpSighting } from "./arp-probe.ts";
import type { SpeakerAnswer, SpeakerNodeOptions, SpeakerOrder } from "./speaker-node.ts";

export const ADDRESS = "192.168.1.100";
/** As startTestLab() names its own, which also removes what an interrupted run left. */
const TAG = `t${process.pid}`;

/** Three nodes with a speaker each and a client on one bridge. */
export interface SpeakerLab extends AsyncDisposable {
  readonly topology: Topology;
  readonly nodes: readonly SpeakerNode[];
  node(name: string): SpeakerNode;
  /** Waits until exactly one node says that it holds the address, and gives it. */
  holder(deadline?: number): Promise<SpeakerNode>;
  /** Starts asking for the address, as the client does. */
  probe(): Promise<Probe>;
  /** Runs a program in the client's namespace. */
  client(program: string, ...args: readonly string[]): Promise<string>;
}

export interface SpeakerNode {
  readonly name: string;
  readonly netns: string;
  readonly mac: string;
  readonly process: ChildProcess;
  start(): void;
  order(order: SpeakerOrder): Promise<SpeakerAnswer>;
  log(): string;
}

export interface Probe extends Disposable {
  readonly sightings: readonly ArpSighting[];
  /** Milliseconds from `since` to the first frame that matches. */
  firstAnswer(since: number, match: (sighting: ArpSighting) => boolean, deadline: number): Promise<number>;
}

/** @param prepare Called before the speakers start. */
export async function startSpeakerLab(
  more: Partial<SpeakerNodeOptions> = {},
  prepare: (topology: Topology) => Promise<void> = async () => {},
): Promise<SpeakerLab> {
  const directory = mkdtempSync(join(tmpdir(), "ib-speaker-"));
  const topology = await buildTopology(TAG, 3);
  await prepare(topology);
  const options = { ...clusterOf(topology.nodes), ...more };
  const nodes = await Promise.all(topology.nodes.map((host) => speakerNode(host, options, directory)));
  const nodeOf = (name: string) => nodes.find((node) => node.name === name)!;

  return {
    topology,
    nodes,
    node: nodeOf,
    holder: (deadline = 10_000) =>
      waitFor(
        "one holder",
        async () => {
          const running = nodes.filter(({ process }) => process.exitCode === null && process.signalCode === null);
          const answers = await Promise.all(running.map((node) => node.order({ kind: "tell" })));
          const holders = running.filter((_, i) => answers[i]!.state.addresses[0]?.stance === "holds");
          return holders.length === 1 && holders[0];
        },
        { deadline },
      ),
    probe: () => startProbe(topology.client, directory),
    client: (program, ...args) => exec("ip", ["netns", "exec", topology.client.netns, program, ...args]),
    [Symbol.asyncDispose]: async () => {
      await removeTopology(TAG);
      rmSync(directory, { recursive: true });
    },
  };
}

async function speakerNode(
  host: LabHost,
  options: Omit<SpeakerNodeOptions, "node">,
  directory: string,
): Promise<SpeakerNode> {
  const links = JSON.parse(await exec("ip", ["-n", host.netns, "-json", "link", "show", "dev", "eth0"]));
  const logFile = join(directory, `${host.name}.log`);
  const start = () => {
    const argument: SpeakerNodeOptions = { node: host.name, ...options };
    return runScript(host, "speaker-node.ts", [JSON.stringify(argument)], logFile);
  };
  let process = start();
  return {
    name: host.name,
    netns: host.netns,
    mac: links[0].address,
    get process() {
      return process;
    },
    start: () => {
      process = start();
    },
    order: async (order) => {
      const answered = once(process, "message");
      process.send(order);
      return (await answered)[0] as SpeakerAnswer;
    },
    log: () => readFileSync(logFile, "utf8"),
  };
}

async function startProbe(client: LabHost, directory: string): Promise<Probe> {
  const process = runScript(client, "arp-probe.ts", [ADDRESS, client.address], join(directory, "probe.log"));
  const sightings: ArpSighting[] = [];
  process.on("message", (sighting: ArpSighting) => sightings.push(sighting));
  return {
    sightings,
    firstAnswer: async (since, match, deadline) => {
      const look = () => sightings.find((sighting) => sighting.at >= since && match(sighting));
      const found = await waitFor("an answer", look, { deadline, every: 5 });
      return found.at - since;
    },
    [Symbol.dispose]: () => process.disconnect(),
  };
}

function runScript(host: LabHost, script: string, args: readonly string[], logFile: string): ChildProcess {
  const log = openSync(logFile, "a");
  const file = join(import.meta.dirname, script);
  return spawn("ip", ["netns", "exec", host.netns, process.execPath, file, ...args], {
    stdio: ["ignore", log, log, "ipc"],
  });
}

/** The Node object of a host. */
export function nodeObject({ name, address }: LabHost, spec: NonNullable<V1Node["spec"]> = {}): V1Node {
  return { metadata: { name }, spec, status: { addresses: [{ type: "InternalIP", address }] } };
}

/** The objects of a cluster with one Service of type LoadBalancer that has an endpoint on every node. */
function clusterOf(hosts: readonly LabHost[]): Omit<SpeakerNodeOptions, "node"> {
  const pool: IPAddressPool = {
    metadata: { name: "pool", namespace: "metallb-system" },
    spec: { addresses: ["192.168.1.100-192.168.1.150"] },
  };
  const advertisement: L2Advertisement = { metadata: { name: "all", namespace: "metallb-system" }, spec: {} };
  return {
    nodes: hosts.map((host) => nodeObject(host)),
    services: [webService()],
    slices: [webSlice(hosts.map(({ name }) => name))],
    pools: [pool],
    l2Advertisements: [advertisement],
  };
}

export function webService(spec: V1Service["spec"] = {}, ip = ADDRESS): V1Service {
  return {
    metadata: { name: "web", namespace: "default" },
    spec: { type: "LoadBalancer", ...spec },
    status: { loadBalancer: { ingress: [{ ip }] } },
  };
}

/** The slice of the Service web with a ready endpoint on each of `nodes`. */
export function webSlice(nodes: readonly string[]): V1EndpointSlice {
  return {
    metadata: { name: "web-1", namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    endpoints: nodes.map((nodeName, i) => ({
      addresses: [`10.244.${i + 1}.7`],
      nodeName,
      conditions: { ready: true },
    })),
  };
}

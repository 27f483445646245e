import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { type Cni, startCni } from "../cni/mod.ts";
import {
  AGENT_OPTIONS,
  type AgentOptions,
  type AgentPart,
  IP_ADDRESS_POOLS,
  L2_ADVERTISEMENTS,
  readAgentOptions,
} from "../config/mod.ts";
import { IronbridgeError, ownFile, runProgram } from "../core/mod.ts";
import { ENDPOINT_SLICES, NODES, SERVICES, startInformer } from "../kube/mod.ts";
import { type Proxy as ServiceProxy, SLICE_INDEXES, startProxy } from "../proxy/mod.ts";
import { type Speaker, startSpeaker } from "../speaker/mod.ts";
import { createDaemon, type Daemon, type Part, serveParts } from "./daemon.ts";
import { addFlags } from "./settings.ts";

/** `ironbridge agent`. */
export function agentCommand(): Command {
  return addFlags(new Command("agent"), AGENT_OPTIONS).action((flags: Record<string, unknown>) =>
    runProgram("agent", (signal) => runAgent(readAgentOptions(flags, process.env), signal)),
  );
}

async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const daemon = createDaemon("agent", options);
  await serveParts(daemon, startParts(options, daemon, signal), options.adminAddress, signal);
}

/** Starts the parts asked for over one shared set of watches, and tells them what they need to know of each other. */
function startParts(options: AgentOptions, daemon: Daemon, signal: AbortSignal): Readonly<Record<string, Part>> {
  const { client, log } = daemon;
  const has = (part: AgentPart) => options.parts.includes(part);
  const nodes = startInformer(client, NODES, { log }, signal);
  const parts: { cni?: Cni; proxy?: ServiceProxy; speaker?: Speaker } = {};
  if (has("cni")) parts.cni = startCni({ ...daemon, ...cniSettings(options), nodes }, signal);
  if (!has("proxy") && !has("speaker")) return { ...parts };

  const services = startInformer(client, SERVICES, { log }, signal);
  const slices = startInformer(client, ENDPOINT_SLICES, { log, indexes: SLICE_INDEXES }, signal);
  const shared = { ...daemon, node: options.node, nodes, services, slices };
  if (has("proxy")) {
    parts.proxy = startProxy({ ...shared, mode: options.proxyMode, clusterCidrs: options.clusterCidr }, signal);
  }
  if (has("speaker")) {
    const pools = startInformer(client, IP_ADDRESS_POOLS, { log }, signal);
    const l2Advertisements = startInformer(client, L2_ADVERTISEMENTS, { log }, signal);
    // Beside another Service proxy nobody can say when its rules are there.
    const programmed = parts.proxy?.programmed ?? (() => true);
    const members = { port: options.memberPort, key: readMemberKey(options.memberKeyFile) };
    const speaker = startSpeaker({ ...shared, pools, l2Advertisements, programmed, members }, signal);
    parts.proxy?.subscribe(speaker.poke);
    parts.speaker = speaker;
  }
  return { ...parts };
}

function cniSettings({ node, runDir, stateDir, cniBinDir, cniConfDir, clusterCidr }: AgentOptions) {
  return {
    node,
    socketPath: join(runDir, "cni.sock"),
    stateDir,
    binDir: cniBinDir,
    confDir: cniConfDir,
    shimPath: ownFile("dist/ironbridge-cni"),
    clusterCidrs: clusterCidr,
  };
}

/** @throws {IronbridgeError} IB_OPTION_INVALID when there is no key or it can't be read or is too short to be a secret. */
function readMemberKey(file: string | undefined): Uint8Array {
  if (file === undefined) {
    throw new IronbridgeError(
      "IB_OPTION_INVALID",
      "--member-key-file is required by the speaker: the nodes' shared secret",
    );
  }
  let key: Uint8Array;
  try {
    key = readFileSync(file);
  } catch (cause) {
    throw new IronbridgeError("IB_OPTION_INVALID", `--member-key-file ${file} can't be read`, { cause });
  }
  if (key.length < 16) {
    throw new IronbridgeError(
      "IB_OPTION_INVALID",
      `--member-key-file ${file} holds ${key.length} octets, want 16 or more`,
    );
  }
  return key;
}

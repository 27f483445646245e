import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { type Cni, podPrefixes, startCni } from "../cni/mod.ts";
import {
  AGENT_OPTIONS,
  type AgentOptions,
  type AgentPart,
  BFD_PROFILES,
  BGP_ADVERTISEMENTS,
  BGP_PEERS,
  COMMUNITIES,
  CONFIGURATION_STATES,
  IP_ADDRESS_POOLS,
  L2_ADVERTISEMENTS,
  readAgentOptions,
} from "../config/mod.ts";
import { IronbridgeError, ownFile, runProgram } from "../core/mod.ts";
import {
  ENDPOINT_SLICES,
  NAMESPACES,
  NODES,
  openObjectCache,
  SECRETS,
  SERVICE_CIDRS,
  SERVICES,
  startInformer,
} from "../kube/mod.ts";
import { type Proxy as ServiceProxy, SLICE_INDEXES, startProxy } from "../proxy/mod.ts";
import { configurationStateName, startBgp, startSpeaker } from "../speaker/mod.ts";
import { apiServerOf } from "./api-server.ts";
import { createDaemon, type Daemon, serveParts } from "./daemon.ts";
import { followMemberKey, memberKey } from "./member-key.ts";
import { knowledgePart, laterPart, type Part } from "./part.ts";
import { PodRouteBoard } from "./pod-route-board.ts";
import { addFlags } from "./settings.ts";

/** Where Ironbridge's own objects live when nothing else is said. */
const DEFAULT_NAMESPACE = "ironbridge-system";

/** `ironbridge agent`. */
export function agentCommand(): Command {
  return addFlags(new Command("agent"), AGENT_OPTIONS).action((flags: Record<string, unknown>) =>
    runProgram("agent", (signal) => runAgent(readAgentOptions(flags, process.env), signal)),
  );
}

async function runAgent(options: AgentOptions, signal: AbortSignal): Promise<void> {
  const daemon = createDaemon("agent", options, apiServerOf(options));
  await serveParts(daemon, startParts(options, daemon, signal), options.adminAddress, signal);
}

/** Starts the parts asked for over one shared set of watches, and tells them what they need to know of each other. */
function startParts(options: AgentOptions, daemon: Daemon, signal: AbortSignal): Readonly<Record<string, Part>> {
  const { client, log } = daemon;
  const has = (part: AgentPart) => options.parts.includes(part);
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  const informing = { log, cache: openObjectCache(join(options.stateDir, "objects.db"), log) };
  const nodes = startInformer(client, NODES, informing, signal);
  const parts: { cni?: Cni; proxy?: ServiceProxy; speaker?: Part; bgp?: Part } = {};
  const board = podRouteBoard(options);
  const learning = board && { podRoutes: board };
  const namespaces = has("cni") ? startInformer(client, NAMESPACES, informing, signal) : undefined;
  const basis = { nodes, ...(namespaces && { namespaces }) };
  if (namespaces !== undefined) {
    parts.cni = startCni({ ...daemon, ...cniSettings(options), ...learning, nodes, namespaces }, signal);
  }
  if (!has("proxy") && !has("speaker")) return { ...parts, knowledge: knowledgePart(basis) };

  const services = startInformer(client, SERVICES, informing, signal);
  const slices = startInformer(client, ENDPOINT_SLICES, { ...informing, indexes: SLICE_INDEXES }, signal);
  const shared = { ...daemon, node: options.node, nodes, services, slices };
  if (has("proxy")) {
    const cidrs = startInformer(client, SERVICE_CIDRS, { ...informing, optional: true }, signal);
    parts.proxy = startProxy({ ...shared, cidrs, ...proxySettings(options) }, signal);
  }
  if (!has("speaker")) return { ...parts, knowledge: knowledgePart({ ...basis, services, slices }) };

  const pools = startInformer(client, IP_ADDRESS_POOLS, informing, signal);
  const l2Advertisements = startInformer(client, L2_ADVERTISEMENTS, informing, signal);
  // Beside another Service proxy nobody can say when its rules are there.
  const programmed = parts.proxy?.programmed ?? (() => true);
  const namespace = options.namespace ?? DEFAULT_NAMESPACE;
  const statuses = { client, namespace };
  const home = options.namespace;
  const startWithKey = (key: Uint8Array) => {
    const members = { port: options.memberPort, key };
    const { excludeInterfaces: excludedInterfaces } = options;
    const excluded = excludedInterfaces === undefined ? {} : { excludedInterfaces };
    const speaker = startSpeaker(
      { ...shared, ...excluded, home, pools, l2Advertisements, programmed, members, statuses },
      signal,
    );
    parts.proxy?.subscribe(speaker.poke);
    followMemberKey(key, options, daemon, speaker.setMemberKey, signal);
    return speaker;
  };
  const starting = memberKey(options, daemon, signal).then(startWithKey);
  parts.speaker = laterPart(starting, "there is no shared key of the members yet", signal);
  // Passwords are for no disk.
  const ofPeers = { namespace, fieldSelector: "type=kubernetes.io/basic-auth" };
  const bgpStores = {
    bgpAdvertisements: startInformer(client, BGP_ADVERTISEMENTS, informing, signal),
    bgpPeers: startInformer(client, BGP_PEERS, informing, signal),
    bfdProfiles: startInformer(client, BFD_PROFILES, informing, signal),
    communities: startInformer(client, COMMUNITIES, informing, signal),
    secrets: startInformer(client, SECRETS, { log, selectors: ofPeers }, signal),
  };
  const ofSpeaker = { namespace, fieldSelector: `metadata.name=${configurationStateName(options.node)}` };
  const states = startInformer(client, CONFIGURATION_STATES, { log, selectors: ofSpeaker }, signal);
  const { bgpListenPort: listenPort } = options;
  const listening = listenPort === undefined ? {} : { listenPort };
  const exchange = board && { within: options.clusterCidr, prefixesOf: podPrefixes, install: board.install };
  const podNetwork = exchange && { podNetwork: exchange };
  const bgp = startBgp(
    {
      ...shared,
      ...bgpStores,
      ...listening,
      ...podNetwork,
      home,
      stateDir: options.stateDir,
      pools,
      l2Advertisements,
      programmed,
      statuses: { ...statuses, states },
    },
    signal,
  );
  parts.proxy?.subscribe(bgp.poke);
  parts.bgp = bgp;
  const { secrets: _, ...cached } = bgpStores;
  return { ...parts, knowledge: knowledgePart({ ...basis, services, slices, pools, l2Advertisements, ...cached }) };
}

/**
 * Undefined when BGP has no part in the pod network.
 * @throws {IronbridgeError} IB_OPTION_INVALID when it should and can't.
 */
function podRouteBoard({ routingMode, parts, clusterCidr }: AgentOptions): PodRouteBoard | undefined {
  if (routingMode !== "bgp" || !parts.includes("cni")) return undefined;
  if (!parts.includes("speaker")) {
    throw new IronbridgeError(
      "IB_OPTION_INVALID",
      "--routing-mode bgp needs the part speaker, which --parts leaves out",
    );
  }
  if (clusterCidr.length === 0) {
    const message = "--cluster-cidr is required by --routing-mode bgp: no route outside of it is taken from a router";
    throw new IronbridgeError("IB_OPTION_INVALID", message);
  }
  return new PodRouteBoard();
}

/** @throws {IronbridgeError} IB_OPTION_INVALID when the way to know pods wants the name of a link. */
function proxySettings(options: AgentOptions) {
  const { detectLocalMode: mode, podInterface: name, nodePortAddresses } = options;
  if ((mode === "bridge-interface" || mode === "interface-name-prefix") && name === undefined) {
    throw new IronbridgeError("IB_OPTION_INVALID", `--pod-interface is required by --detect-local-mode ${mode}`);
  }
  return {
    mode: options.proxyMode,
    clusterCidrs: options.clusterCidr,
    podDetection: { mode, name: name ?? "" },
    masqueradeAll: options.masqueradeAll,
    masqueradeBit: options.masqueradeBit,
    ...(nodePortAddresses.length > 0 && { nodePortAddresses }),
    serviceCidrs: options.serviceCidr,
    healthzPort: options.healthzPort,
    conntrack: {
      maxPerCore: options.conntrackMaxPerCore,
      min: options.conntrackMin,
      tcpTimeoutEstablished: options.conntrackTcpTimeoutEstablished,
      tcpTimeoutCloseWait: options.conntrackTcpTimeoutCloseWait,
      udpTimeout: options.conntrackUdpTimeout,
      udpTimeoutStream: options.conntrackUdpTimeoutStream,
      tcpBeLiberal: options.conntrackTcpBeLiberal,
    },
  };
}

function cniSettings({
  node,
  runDir,
  stateDir,
  cniBinDir,
  cniConfDir,
  clusterCidr,
  routingMode,
  tunnelPort,
  nonMasqueradeCidrs,
  podFastPath,
}: AgentOptions) {
  return {
    node,
    socketPath: join(runDir, "cni.sock"),
    stateDir,
    binDir: cniBinDir,
    confDir: cniConfDir,
    shimPath: ownFile("dist/ironbridge-cni"),
    clusterCidrs: clusterCidr,
    nonMasqueradeCidrs,
    routing: routingMode,
    tunnelPort,
    fastPath: podFastPath === "on",
  };
}

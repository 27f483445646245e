import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { Command } from "commander";
import {
  BFD_PROFILES,
  BGP_ADVERTISEMENTS,
  BGP_PEERS,
  COMMUNITIES,
  COMPONENT_LABEL,
  CONFIGURATION_STATES,
  CONTROLLER_LEASE,
  CONTROLLER_OPTIONS,
  type ConfigurationState,
  type ControllerOptions,
  IP_ADDRESS_POOLS,
  L2_ADVERTISEMENTS,
  readControllerOptions,
  WEBHOOK_NAME,
} from "../config/mod.ts";
import {
  type PodCidrSettings,
  podCidrMistake,
  startController,
  startWebhook,
  type Webhook,
  type WebhookDeps,
} from "../controller/mod.ts";
import { IronbridgeError, runProgram } from "../core/mod.ts";
import { type Leadership, NAMESPACES, NODES, SERVICES, type Store, startElection, startInformer } from "../kube/mod.ts";
import { createDaemon, type Daemon, serveParts } from "./daemon.ts";
import { makeMemberKey } from "./member-key.ts";
import { knowledgePart } from "./part.ts";
import { addFlags } from "./settings.ts";

/** `ironbridge controller`. */
export function controllerCommand(): Command {
  return addFlags(new Command("controller"), CONTROLLER_OPTIONS).action((flags: Record<string, unknown>) =>
    runProgram("controller", (signal) => runController(readControllerOptions(flags, process.env), signal)),
  );
}

async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const daemon = createDaemon("controller", options);
  const { client, log } = daemon;
  const informing = { log };
  const stores = {
    services: startInformer(client, SERVICES, informing, signal),
    namespaces: startInformer(client, NAMESPACES, informing, signal),
    nodes: startInformer(client, NODES, informing, signal),
    pools: startInformer(client, IP_ADDRESS_POOLS, informing, signal),
    l2Advertisements: startInformer(client, L2_ADVERTISEMENTS, informing, signal),
    bgpAdvertisements: startInformer(client, BGP_ADVERTISEMENTS, informing, signal),
    bgpPeers: startInformer(client, BGP_PEERS, informing, signal),
    bfdProfiles: startInformer(client, BFD_PROFILES, informing, signal),
    communities: startInformer(client, COMMUNITIES, informing, signal),
  };
  const settings = {
    home: options.namespace,
    ...(options.lbClass === undefined ? {} : { lbClass: options.lbClass }),
    memory: { remember: options.addressMemory, coolDown: options.addressCoolDown },
    usageThresholds: options.poolUsageThresholds,
    ...podCidrSettings(options),
  };
  const ended = new AbortController();
  const shared = shareNamespace(options, daemon, { work: signal, lease: ended.signal });
  const controller = startController({ ...daemon, ...stores, ...settings, ...shared }, signal);
  // The lease is given back only after the last write.
  const done = controller.done.then(async () => {
    ended.abort();
    await shared.leadership?.done;
  });
  const webhook = webhookPart(options, { ...daemon, ...stores, home: options.namespace, ...shared }, signal);
  const parts = { controller: { ...controller, done }, ...webhook, knowledge: knowledgePart(stores) };
  await serveParts(daemon, parts, options.adminAddress, signal);
}

/** @throws {IronbridgeError} IB_OPTION_INVALID when no node could ever get a prefix. */
function podCidrSettings(options: ControllerOptions): { podCidrs?: PodCidrSettings } {
  if (!options.allocateNodeCidrs) return {};
  const lengths = { ipv4: options.nodeCidrMaskSizeIpv4, ipv6: options.nodeCidrMaskSizeIpv6 };
  const podCidrs = { clusterCidrs: options.clusterCidr, lengths };
  const mistake = podCidrMistake(podCidrs);
  if (mistake !== undefined) throw new IronbridgeError("IB_OPTION_INVALID", mistake);
  return { podCidrs };
}

/** What the replicas have in common, in the namespace of Ironbridge; without one there is a single replica. */
function shareNamespace(
  { namespace, leaseDuration }: ControllerOptions,
  daemon: Daemon,
  signals: { readonly work: AbortSignal; readonly lease: AbortSignal },
): { leadership?: Leadership; states?: { namespace: string; store: Store<ConfigurationState> } } {
  if (namespace === undefined) return {};
  const { client, log } = daemon;
  void makeMemberKey(namespace, daemon, signals.work);
  const identity = `${hostname()}_${randomUUID()}`;
  const election = { lease: { namespace, name: CONTROLLER_LEASE }, identity, duration: leaseDuration, log };
  const selectors = { namespace, labelSelector: `${COMPONENT_LABEL}=controller` };
  return {
    leadership: startElection(client, election, signals.lease),
    states: { namespace, store: startInformer(client, CONFIGURATION_STATES, { selectors, log }, signals.work) },
  };
}

function webhookPart(
  { namespace, webhookAddress }: ControllerOptions,
  deps: Omit<WebhookDeps, "namespace" | "name" | "listen">,
  signal: AbortSignal,
): { webhook?: Webhook } {
  if (webhookAddress === undefined) return {};
  if (namespace === undefined) {
    throw new IronbridgeError("IB_OPTION_INVALID", "the webhook needs --namespace for its certificate");
  }
  const own = { namespace, name: WEBHOOK_NAME, listen: webhookAddress };
  return { webhook: startWebhook({ ...deps, ...own }, signal) };
}

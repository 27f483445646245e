import type { Item } from "./ledger.ts";
import {
  type Chain,
  CONNECTIONS,
  connectionsSet,
  endpointMap,
  fixedChains,
  LOCAL_SLOT,
  type Shape,
  shapeChain,
} from "./nftables-chain.ts";
import { CHAINS, SETS, shared, sole } from "./nftables-object.ts";
import { isOwnWay, ownChain, pickItems } from "./nftables-own.ts";
import { type ServicePort, slotsOf, type Target, type TrafficPolicy, targetsOf } from "./service-port.ts";
import type { FamilySettings } from "./settings.ts";

/** What the table holds whatever the cluster does. */
export function nftFixedItems(settings: FamilySettings): Item[] {
  return [
    sole(SETS, CONNECTIONS, connectionsSet(settings.family)),
    ...fixedChains(settings).map(({ name, body }) => sole(CHAINS, name, body)),
    ...(settings.pods.kind === "prefixes" ? settings.pods.prefixes : []).map((prefix) =>
      sole("cluster-sources", prefix, ""),
    ),
  ];
}

/** What node ports need: the addresses of this node. */
export function nftNodeItems(addresses: readonly string[]): Item[] {
  return addresses.map((address) => sole("nodeport-addresses", address, ""));
}

/** What addresses need that no Service has, in ranges that do not overlap. */
export function nftRangeItems(ranges: readonly string[]): Item[] {
  return ranges.map((range) => sole("service-ranges", range, ""));
}

/** What one Service port needs. */
export function nftItems(port: ServicePort, settings: FamilySettings): Item[] {
  const outside = new Set([...port.loadBalancerIps, ...port.externalIps]);
  return [
    ...frontendItems(serviceFrontend(port, port.clusterIp), port, internalUse(port), settings),
    ...[...outside].flatMap((ip) => frontendItems(serviceFrontend(port, ip), port, externalUse(port), settings)),
    ...(port.nodePort > 0 ? frontendItems(nodePortFrontend(port), port, externalUse(port), settings) : []),
    ...port.loadBalancerIps.flatMap((ip) => sourceItems(serviceFrontend(port, ip), port.sourceRanges)),
    ...(isOwnWay(port) ? pickItems(port, settings) : []),
    ...port.cluster.flatMap(hairpinItems),
    ...port.local.flatMap(hairpinItems),
    ...port.guarded.map((ip) => shared("guarded-addresses", ip, "")),
  ];
}

/** An address and port, or a node port, under which a Service port is reached. */
interface Frontend {
  readonly front: Shape["front"];
  /** The key where the protocol is part of it. */
  readonly key: string;
  /** The key where it is not. */
  readonly slotKey: string;
}

/** Which endpoints a frontend uses: those in slots 0 and up, and those that only outsiders get. */
interface Use {
  readonly kind: Shape["kind"];
  readonly policy: TrafficPolicy;
  readonly targets: readonly Target[];
  readonly local: readonly Target[];
}

function internalUse(port: ServicePort): Use {
  const policy = port.internalPolicy;
  return { kind: "cluster", policy, targets: targetsOf(port, policy), local: [] };
}

function externalUse(port: ServicePort): Use {
  const policy = port.externalPolicy;
  if (policy === "cluster") return { kind: "external", policy, targets: port.cluster, local: [] };
  return { kind: "local", policy, targets: port.cluster, local: port.local };
}

function frontendItems(frontend: Frontend, port: ServicePort, use: Use, settings: FamilySettings): Item[] {
  const { front, key } = frontend;
  const nodePort = front === "nodeport";
  const items: Item[] = [];
  if (use.targets.length > 0) {
    const isOwn = isOwnWay(port);
    const chain = isOwn ? ownChain(use.kind, port, settings) : shapeOf(frontend, port, use, settings);
    if (!isOwn) items.push(...slotItems(frontend, port, use));
    items.push((isOwn ? sole : shared)(CHAINS, chain.name, chain.body));
    items.push(sole(nodePort ? "nodeports" : "services", key, `goto ${chain.name}`));
  }
  const verdict = unservedVerdict(port, use.policy);
  if (verdict !== undefined) items.push(sole(nodePort ? "no-endpoint-nodeports" : "no-endpoints", key, verdict));
  return items;
}

function shapeOf({ front }: Frontend, { protocol }: ServicePort, use: Use, settings: FamilySettings): Chain {
  const counts = { targets: slotsOf(use.targets).length, local: slotsOf(use.local).length };
  return shapeChain({ kind: use.kind, front, protocol, ...counts }, settings);
}

function slotItems({ front, slotKey }: Frontend, { protocol }: ServicePort, use: Use): Item[] {
  const map = endpointMap(front, protocol);
  const from = (first: number, targets: readonly Target[]) =>
    slotsOf(targets).map(({ address, port }, i) => sole(map, `${slotKey} . ${first + i}`, `${address} . ${port}`));
  return [...from(0, use.targets), ...from(LOCAL_SLOT, use.local)];
}

/** What happens to connections that no endpoint of this node's choice can take; undefined when some can. */
function unservedVerdict(port: ServicePort, policy: TrafficPolicy): string | undefined {
  if (port.cluster.length === 0) return "goto refuse";
  return policy === "local" && port.local.length === 0 ? "drop" : undefined;
}

function sourceItems({ key }: Frontend, ranges: readonly string[] | undefined): Item[] {
  if (ranges === undefined) return [];
  return [sole("restricted", key, ""), ...ranges.map((range) => sole("allowed-sources", `${key} . ${range}`, ""))];
}

/** Only an endpoint that may be on this node can reach itself through this node. */
function hairpinItems({ address, near }: Target): Item[] {
  return near ? [shared("hairpin", `${address} . ${address}`, "")] : [];
}

function serviceFrontend({ protocol, port }: ServicePort, address: string): Frontend {
  return { front: "service", key: `${address} . ${protocol} . ${port}`, slotKey: `${address} . ${port}` };
}

function nodePortFrontend({ protocol, nodePort }: ServicePort): Frontend {
  return { front: "nodeport", key: `${protocol} . ${nodePort}`, slotKey: `${nodePort}` };
}

import type { Family } from "../net/mod.ts";
import type { Item } from "./ledger.ts";
import { endpointMap, fixedChains, LOCAL_SLOT, type Shape, shapeChain } from "./nftables-chain.ts";
import {
  PROTOCOLS,
  type Protocol,
  type ServicePort,
  type Target,
  type TrafficPolicy,
  targetsOf,
} from "./service-port.ts";
import type { FamilySettings } from "./settings.ts";

/** The object that chains are items of: the key is a chain's name, the value its body. */
export const CHAINS = "chains";

export interface NftObject {
  readonly kind: "map" | "set";
  /** Its type as nft prints it, one statement a line. */
  readonly type: string;
}

/**
 * The maps and sets of a table, by name. A connection's way: `services` or `nodeports` give the chain, the chain picks a
 * slot at random, the map of endpoints of its kind and protocol gives the endpoint in that slot.
 */
export const NFT_OBJECTS: Readonly<Record<Family, ReadonlyMap<string, NftObject>>> = {
  ipv4: nftObjects("ip", "ipv4_addr"),
  ipv6: nftObjects("ip6", "ipv6_addr"),
};

function nftObjects(ip: string, addr: string): ReadonlyMap<string, NftObject> {
  const front = `${addr} . inet_proto . inet_service`;
  const types: Record<string, string> = {
    services: `type ${front} : verdict`,
    nodeports: "type inet_proto . inet_service : verdict",
    ...Object.assign({}, ...PROTOCOLS.map((protocol) => endpointTypes(ip, protocol))),
    "no-endpoints": `type ${front} : verdict`,
    "no-endpoint-nodeports": "type inet_proto . inet_service : verdict",
    "nodeport-addresses": `type ${addr}`,
    "guarded-addresses": `type ${addr}`,
    "cluster-sources": `type ${addr}\nflags interval`,
    hairpin: `type ${addr} . ${addr}`,
    restricted: `type ${front}`,
    "allowed-sources": `type ${front} . ${addr}\nflags interval`,
  };
  return new Map(Object.entries(types).map(([name, type]) => [name, { kind: kindOf(type), type }]));
}

/**
 * A map for each protocol, because nft 1.0.6 can't use one for all: with ports of the transport header in general
 * (`th dport`) as its values it refuses rules once the map is in the kernel.
 */
function endpointTypes(ip: string, protocol: Protocol): Record<string, string> {
  const slot = "numgen random mod 65536"; // only its type counts: a number
  const target = `${ip} daddr . ${protocol} dport`;
  return {
    [endpointMap("service", protocol)]: `typeof ${target} . ${slot} : ${target}`,
    [endpointMap("nodeport", protocol)]: `typeof ${protocol} dport . ${slot} : ${target}`,
  };
}

function kindOf(type: string): NftObject["kind"] {
  return type.includes(" : ") ? "map" : "set";
}

/** What the table holds whatever the cluster does. */
export function nftFixedItems(settings: FamilySettings): Item[] {
  return [
    ...fixedChains(settings).map(({ name, body }) => sole(CHAINS, name, body)),
    ...settings.clusterCidrs.map((prefix) => sole("cluster-sources", prefix, "")),
  ];
}

/** What node ports need: the addresses of this node. */
export function nftNodeItems(addresses: readonly string[]): Item[] {
  return addresses.map((address) => sole("nodeport-addresses", address, ""));
}

/** What one Service port needs. */
export function nftItems(port: ServicePort, settings: FamilySettings): Item[] {
  const outside = new Set([...port.loadBalancerIps, ...port.externalIps]);
  return [
    ...frontendItems(serviceFrontend(port, port.clusterIp), port, internalUse(port), settings),
    ...[...outside].flatMap((ip) => frontendItems(serviceFrontend(port, ip), port, externalUse(port), settings)),
    ...(port.nodePort > 0 ? frontendItems(nodePortFrontend(port), port, externalUse(port), settings) : []),
    ...port.loadBalancerIps.flatMap((ip) => sourceItems(serviceFrontend(port, ip), port.sourceRanges)),
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

function frontendItems(
  { front, key, slotKey }: Frontend,
  port: ServicePort,
  use: Use,
  settings: FamilySettings,
): Item[] {
  const nodePort = front === "nodeport";
  const map = endpointMap(front, port.protocol);
  const slotItems = (targets: readonly Target[], first: number) =>
    targets.map(({ address, port }, i) => sole(map, `${slotKey} . ${first + i}`, `${address} . ${port}`));
  const items = [...slotItems(use.targets, 0), ...slotItems(use.local, LOCAL_SLOT)];
  if (use.targets.length > 0) {
    const { protocol } = port;
    const shape = { kind: use.kind, front, protocol, targets: use.targets.length, local: use.local.length };
    const chain = shapeChain(shape, settings);
    items.push(shared(CHAINS, chain.name, chain.body));
    items.push(sole(nodePort ? "nodeports" : "services", key, `goto ${chain.name}`));
  }
  const verdict = unservedVerdict(port, use.policy);
  if (verdict !== undefined) items.push(sole(nodePort ? "no-endpoint-nodeports" : "no-endpoints", key, verdict));
  return items;
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

function sole(object: string, key: string, value: string): Item {
  return { object, key, value, claim: "sole" };
}

function shared(object: string, key: string, value: string): Item {
  return { object, key, value, claim: "shared" };
}

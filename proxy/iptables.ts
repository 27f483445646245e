import type { Family } from "../net/mod.ts";
import {
  addressPlace,
  CHAIN_PREFIX,
  chainObject,
  FILTER,
  HAIRPIN,
  hasOutside,
  hostPrefix,
  INPUT,
  LOCALHOST,
  MARK,
  MASQUERADE,
  NODEPORTS,
  nodePortPlace,
  OUTSIDE,
  type Place,
  podMatches,
  REFUSE,
  rule,
  SERVICES,
  type ServiceChain,
  serviceChain,
  shared,
  sole,
  sourceMatch,
  type Table,
} from "./iptables-chain.ts";
import type { Item } from "./ledger.ts";
import type { ServicePort, Target } from "./service-port.ts";
import type { FamilySettings } from "./settings.ts";
import { shortHash } from "./short-hash.ts";

/** What node ports need: a jump for each address of this node, after all Service addresses. */
export function iptablesNodeItems(addresses: readonly string[]): Item[] {
  const jump = (root: string, address: string, chain: string) =>
    sole(root, `3 ${address}`, `-d ${hostPrefix(address)} -j ${chain}`);
  return addresses.flatMap((address) => [
    jump(chainObject("nat", SERVICES), address, address.startsWith("127.") ? LOCALHOST : NODEPORTS),
    jump(chainObject("filter", FILTER), address, NODEPORTS),
  ]);
}

/** What addresses need that no Service has: such a cluster IP would be routed away, and perhaps back again and again. */
export function iptablesRangeItems(ranges: readonly string[]): Item[] {
  const root = chainObject("filter", FILTER);
  return ranges.map((range) =>
    sole(root, `4 ${range}`, `-d ${hostPrefix(range)} -m addrtype ! --dst-type LOCAL -j DROP`),
  );
}

/** What one Service port needs: its chains, and the rules of the trees that lead to them. */
export function iptablesItems(port: ServicePort, settings: FamilySettings): Item[] {
  const outside = new Set([...port.loadBalancerIps, ...port.externalIps]);
  const isFiltered = (address: string) => port.sourceRanges !== undefined && port.loadBalancerIps.includes(address);
  const isOpen = outside.size > 0 || port.nodePort > 0;
  const internal = port.internalPolicy === "cluster" ? "cluster" : "internal";
  return [
    ...chainItems(port, settings, isOpen),
    ...frontendItems(port, serviceFrontend(port, port.clusterIp), internal),
    ...[...outside].flatMap((address) =>
      frontendItems(port, serviceFrontend(port, address), isFiltered(address) ? "firewall" : "external"),
    ),
    ...(port.nodePort > 0 ? frontendItems(port, nodePortFrontend(port), "external") : []),
    ...[...port.cluster, ...port.local].flatMap((target) => hairpinItems(port, target)),
    ...healthItems(port),
    ...port.guarded.flatMap((address) => guardItems(port, address)),
  ];
}

/** The chains of the port that anything can lead to. */
function chainItems(port: ServicePort, settings: FamilySettings, isOpen: boolean): Item[] {
  const { cluster, local, internalPolicy } = port;
  // Pods on their way to a Service's outer address come by here too: masqueradeAll is for cluster IPs only.
  const outside = hasOutside(settings) ? [`-d ${hostPrefix(port.clusterIp)} -j ${OUTSIDE}`] : [];
  const items: Item[] = [];
  const add = (kind: ServiceChain, lines: readonly string[]) =>
    items.push(sole(chainObject("nat", chainName(port, kind)), "", lines.join("\n")));
  if (cluster.length === 0) return items;
  if (internalPolicy === "cluster" || isOpen) add("cluster", [...outside, ...balance(port, cluster)]);
  if (internalPolicy === "local" && local.length > 0) add("internal", [...outside, ...balance(port, local)]);
  if (isOpen) add("external", externalRules(port, settings));
  if (port.sourceRanges !== undefined && port.loadBalancerIps.length > 0) {
    const external = `-j ${chainName(port, "external")}`;
    const rules = port.sourceRanges.map((range) => rule(sourceMatch(range), external));
    add("firewall", rules);
  }
  return items;
}

function externalRules(port: ServicePort, settings: FamilySettings): string[] {
  const cluster = `-j ${chainName(port, "cluster")}`;
  if (port.externalPolicy === "cluster") return [`-j ${MARK}`, cluster];
  // Pods and the node itself are served as if they had gone out and come back through a load balancer.
  return [
    ...podMatches(settings).map((match) => rule(match, cluster)),
    `-m addrtype --src-type LOCAL -j ${MARK}`,
    `-m addrtype --src-type LOCAL ${cluster}`,
    ...balance(port, port.local),
  ];
}

/** Spreads connections: of n shares the first rule takes its own, the next its own of those left, the last all. */
function balance(port: ServicePort, targets: readonly Target[]): string[] {
  const { protocol, family } = port;
  const ends = targets.map((target) => {
    const to = family === "ipv4" ? `${target.address}:${target.port}` : `[${target.address}]:${target.port}`;
    return { weight: target.weight ?? 1, list: listName(port, target), dnat: `-j DNAT --to-destination ${to}` };
  });
  const sticky = port.affinitySeconds > 0;
  let left = ends.reduce((sum, { weight }) => sum + weight, 0);
  const spread = ends.map(({ weight, list, dnat }) => {
    const chance = weight >= left ? "" : `-m statistic --mode random --probability ${probability(weight, left)}`;
    left -= weight;
    return rule(`-p ${protocol}`, chance, sticky ? recent("--set", list, family) : "", dnat);
  });
  if (!sticky) return spread;
  const seen = `--update --seconds ${port.affinitySeconds} --reap`;
  const known = ends.map(({ list, dnat }) => rule(`-p ${protocol}`, recent(seen, list, family), dnat));
  return [...known, ...spread];
}

/** The kernel's list of the clients that one endpoint has seen of late; all chains of the port share it. */
function listName({ name, protocol }: ServicePort, { address, port }: Target): string {
  return `${CHAIN_PREFIX}${shortHash(`${name}/${protocol} ${address} ${port}`)}`;
}

function recent(what: string, list: string, family: Family): string {
  return `-m recent ${what} --name ${list} --mask ${HOST_MASK[family]} --rsource`;
}

const HOST_MASK: Record<Family, string> = {
  ipv4: "255.255.255.255",
  ipv6: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
};

/** `share` of `all` as the kernel keeps it, in parts of 2^31 (libxt_statistic.c), and as iptables-save prints it. */
function probability(share: number, all: number): string {
  return (Math.round((2 ** 31 * share) / all) / 2 ** 31).toFixed(11);
}

/** An address and port, or a node port, under which a Service port is reached. */
interface Frontend {
  readonly key: string;
  readonly match: string;
  readonly place: (table: Table) => Place;
}

function serviceFrontend(port: ServicePort, address: string): Frontend {
  const { protocol, port: number } = port;
  return {
    key: `${address} ${protocol} ${number}`,
    match: `-d ${hostPrefix(address)} -p ${protocol} -m ${protocol} --dport ${number}`,
    place: (table) => destinationPlace(table, port, address),
  };
}

function nodePortFrontend({ protocol, nodePort }: ServicePort): Frontend {
  return {
    key: `${protocol} ${nodePort}`,
    match: `-p ${protocol} -m ${protocol} --dport ${nodePort}`,
    place: (table) => nodePortPlace(table, protocol, nodePort),
  };
}

/** The rule that leads to the chain `kind`, and what happens to connections that get past it. */
function frontendItems(port: ServicePort, { key, match, place }: Frontend, kind: ServiceChain): Item[] {
  const items: Item[] = [];
  const put = (table: Table, lines: readonly string[]) => {
    const { leaf, jumps } = place(table);
    items.push(...jumps, sole(chainObject(table, leaf), key, lines.map((line) => rule(match, line)).join("\n")));
  };
  const targets = kind === "internal" ? port.local : port.cluster;
  if (targets.length > 0) put("nat", [`-m comment --comment "${port.name}" -j ${chainName(port, kind)}`]);
  const unserved = unservedRules(port, kind);
  if (unserved.length > 0) put("filter", unserved);
  return items;
}

function unservedRules(port: ServicePort, kind: ServiceChain): string[] {
  const policy = kind === "cluster" || kind === "internal" ? port.internalPolicy : port.externalPolicy;
  const refuse = `-j ${REFUSE}`;
  if (port.cluster.length > 0) {
    const drops = kind === "firewall" || (policy === "local" && port.local.length === 0);
    return drops ? ["-j DROP"] : [];
  }
  if (kind !== "firewall") return [refuse];
  return [...(port.sourceRanges ?? []).map((range) => rule(sourceMatch(range), refuse)), "-j DROP"];
}

/** Only an endpoint that may be on this node can reach itself through this node. */
function hairpinItems({ family }: ServicePort, { address, near }: Target): Item[] {
  if (!near) return [];
  const host = hostPrefix(address);
  const root = { chain: HAIRPIN, tag: "HP" };
  const { leaf, jumps } = addressPlace("nat", root, family, address, (prefix) => `-s ${prefix} -d ${prefix}`);
  return [...jumps, shared(chainObject("nat", leaf), address, `-s ${host} -d ${host} -j ${MASQUERADE}`)];
}

function healthItems({ healthCheckNodePort: port }: ServicePort): Item[] {
  if (port === 0) return [];
  return [shared(chainObject("filter", INPUT), `${port}`, `-p tcp -m tcp --dport ${port} -j ACCEPT`)];
}

/** Ports that no Service has, on addresses that only Services have. */
function guardItems(port: ServicePort, address: string): Item[] {
  const { leaf, jumps } = destinationPlace("filter", port, address);
  const value = `-d ${hostPrefix(address)} -m addrtype ! --dst-type LOCAL -j ${REFUSE}`;
  return [...jumps, shared(chainObject("filter", leaf), `${address} ~`, value)];
}

function destinationPlace(table: Table, { family }: ServicePort, address: string): Place {
  const root = { chain: table === "nat" ? SERVICES : FILTER, tag: "SVC" };
  return addressPlace(table, root, family, address, (prefix) => `-d ${prefix}`);
}

function chainName(port: ServicePort, kind: ServiceChain): string {
  return serviceChain(kind, port.name, port.protocol);
}

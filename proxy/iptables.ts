import {
  addressPlace,
  chainObject,
  FILTER,
  HAIRPIN,
  hostPrefix,
  MARK,
  MASQUERADE,
  NODEPORTS,
  nodePortPlace,
  OUTSIDE,
  type Place,
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

/** What node ports need: a jump for each address of this node, after all Service addresses. */
export function iptablesNodeItems(addresses: readonly string[]): Item[] {
  const roots = [chainObject("nat", SERVICES), chainObject("filter", FILTER)];
  return roots.flatMap((root) =>
    addresses.map((address) => sole(root, `3 ${address}`, `-d ${hostPrefix(address)} -j ${NODEPORTS}`)),
  );
}

/** What one Service port needs: its chains, and the rules of the trees that lead to them. */
export function iptablesItems(port: ServicePort, settings: FamilySettings): Item[] {
  const outside = new Set([...port.loadBalancerIps, ...port.externalIps]);
  const isFiltered = (address: string) => port.sourceRanges !== undefined && port.loadBalancerIps.includes(address);
  const hasOutside = outside.size > 0 || port.nodePort > 0;
  const internal = port.internalPolicy === "cluster" ? "cluster" : "internal";
  return [
    ...chainItems(port, settings, hasOutside),
    ...frontendItems(port, serviceFrontend(port, port.clusterIp), internal),
    ...[...outside].flatMap((address) =>
      frontendItems(port, serviceFrontend(port, address), isFiltered(address) ? "firewall" : "external"),
    ),
    ...(port.nodePort > 0 ? frontendItems(port, nodePortFrontend(port), "external") : []),
    ...[...port.cluster, ...port.local].flatMap((target) => hairpinItems(port, target)),
    ...port.guarded.flatMap((address) => guardItems(port, address)),
  ];
}

/** The chains of the port that anything can lead to. */
function chainItems(port: ServicePort, settings: FamilySettings, hasOutside: boolean): Item[] {
  const { cluster, local, internalPolicy } = port;
  const knowsPods = settings.clusterCidrs.length > 0;
  const outside = knowsPods ? [`-j ${OUTSIDE}`] : [];
  const items: Item[] = [];
  const add = (kind: ServiceChain, lines: readonly string[]) =>
    items.push(sole(chainObject("nat", chainName(port, kind)), "", lines.join("\n")));
  if (cluster.length === 0) return items;
  if (internalPolicy === "cluster" || hasOutside) add("cluster", [...outside, ...balance(port, cluster)]);
  if (internalPolicy === "local" && local.length > 0) add("internal", [...outside, ...balance(port, local)]);
  if (hasOutside) add("external", externalRules(port, settings));
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
    ...settings.clusterCidrs.map((prefix) => rule(sourceMatch(prefix), cluster)),
    `-m addrtype --src-type LOCAL -j ${MARK}`,
    `-m addrtype --src-type LOCAL ${cluster}`,
    ...balance(port, port.local),
  ];
}

/** Spreads connections evenly: the first rule takes 1 of n, the next 1 of the n - 1 left, the last all. */
function balance({ protocol, family }: ServicePort, targets: readonly Target[]): string[] {
  return targets.map(({ address, port }, i) => {
    const left = targets.length - i;
    const chance = left === 1 ? "" : `-m statistic --mode random --probability ${probability(left)}`;
    const to = family === "ipv4" ? `${address}:${port}` : `[${address}]:${port}`;
    return rule(`-p ${protocol}`, chance, `-j DNAT --to-destination ${to}`);
  });
}

/** 1 of `n` as the kernel keeps it, in parts of 2^31 (libxt_statistic.c), and as iptables-save prints it. */
function probability(n: number): string {
  return (Math.round(2 ** 31 / n) / 2 ** 31).toFixed(11);
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

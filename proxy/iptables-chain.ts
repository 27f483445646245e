import type { Family } from "../net/mod.ts";
import { prefixAround } from "./canonical.ts";
import type { Item } from "./ledger.ts";
import { type FamilySettings, knowsPods } from "./settings.ts";
import { shortHash } from "./short-hash.ts";

/** What every chain of ours begins with; nothing else is ever touched but the jumps to these chains. */
export const CHAIN_PREFIX = "IRON-";

export const TABLES = ["nat", "filter"] as const;
export type Table = (typeof TABLES)[number];

/** The object a chain is in the ledger. Its items are rules, in the order of their keys; an empty value is no rule. */
export function chainObject(table: Table, chain: string): string {
  return `${table} ${chain}`;
}

export function tableOf(object: string): Table {
  return object.startsWith("nat ") ? "nat" : "filter";
}

export function chainOf(object: string): string {
  return object.slice(object.indexOf(" ") + 1);
}

/** True for PREROUTING and its like: they are shared with everybody, and only single rules in them are ours. */
export function isBuiltin(object: string): boolean {
  return !chainOf(object).startsWith(CHAIN_PREFIX);
}

/** `cluster` any endpoint; `internal` local ones, for the cluster IP; `external` for the outside; `firewall` before that. */
export type ServiceChain = "cluster" | "internal" | "external" | "firewall";

const SERVICE_CHAINS: Record<ServiceChain, string> = {
  cluster: "CLU",
  internal: "INT",
  external: "EXT",
  firewall: "FW",
};

/** Names have at most 28 characters (XT_EXTENSION_MAXNAMELEN), so the Service port is in them as a hash. */
export function serviceChain(kind: ServiceChain, portName: string, protocol: string): string {
  return `${CHAIN_PREFIX}${SERVICE_CHAINS[kind]}-${shortHash(`${portName}/${protocol}`)}`;
}

/** How far the tree that finds an address branches: at most 16 rules to pass for a /16, then at most 16 more. */
const TREE_LEVELS: Record<Family, readonly number[]> = { ipv4: [20, 24], ipv6: [116, 120] };

/** Where in a tree of chains the rules of one address belong, and the jumps that lead there. */
export interface Place {
  readonly leaf: string;
  readonly jumps: readonly Item[];
}

/**
 * The place of `address` in the tree below chain `root`.
 * @param match How a prefix is written as a match: "-d PREFIX" for the tree of destinations.
 */
export function addressPlace(
  table: Table,
  root: { readonly chain: string; readonly tag: string },
  family: Family,
  address: string,
  match: (prefix: string) => string,
): Place {
  const jumps: Item[] = [];
  let leaf = root.chain;
  for (const length of TREE_LEVELS[family]) {
    const prefix = prefixAround(address, length);
    const next = `${CHAIN_PREFIX}${root.tag}-${family === "ipv4" ? prefix : shortHash(prefix)}`;
    jumps.push(shared(chainObject(table, leaf), `2 ${prefix}`, `${match(prefix)} -j ${next}`));
    leaf = next;
  }
  return { leaf, jumps };
}

/** Ports in one chain of the tree of node ports. */
const PORT_BLOCK = 64;

/** The place of node port `port` in the tree below IRON-NODEPORTS. */
export function nodePortPlace(table: Table, protocol: string, port: number): Place {
  const first = Math.max(1, port - (port % PORT_BLOCK));
  const last = port - (port % PORT_BLOCK) + PORT_BLOCK - 1;
  const leaf = `${CHAIN_PREFIX}NP-${protocol}-${first}`;
  const match = `-p ${protocol} -m ${protocol} --dport ${first}:${last}`;
  return { leaf, jumps: [shared(chainObject(table, NODEPORTS), `${protocol} ${first}`, `${match} -j ${leaf}`)] };
}

export const SERVICES = `${CHAIN_PREFIX}SERVICES`;
export const NODEPORTS = `${CHAIN_PREFIX}NODEPORTS`;
/** What goes to 127.0.0.0/8 passes here, to be counted: it leads to NODEPORTS, and what comes back is for no node port. */
export const LOCALHOST = `${CHAIN_PREFIX}LOCALHOST`;
export const LOCALHOST_RULES = [`-j ${NODEPORTS}`, '-m comment --comment "no node port"'] as const;
export const FILTER = `${CHAIN_PREFIX}FILTER`;
export const HAIRPIN = `${CHAIN_PREFIX}HAIRPIN`;
/** Marks for masquerade. */
export const MARK = `${CHAIN_PREFIX}MARK`;
/** Marks for masquerade what goes to a cluster IP and does not come from a pod, if hasOutside(). */
export const OUTSIDE = `${CHAIN_PREFIX}OUTSIDE`;
/** What comes to this node itself: lets health checks of load balancers in where the host admits nobody by default. */
export const INPUT = `${CHAIN_PREFIX}INPUT`;
export const FORWARD = `${CHAIN_PREFIX}FORWARD`;
/**
 * What connection tracking can't place is not translated back: the other end would see a stranger's packet, and answer it
 * with a reset that ends the connection (kubernetes/kubernetes#74839).
 */
export const DROP_INVALID = "-m conntrack --ctstate INVALID -j DROP";
const POSTROUTING = `${CHAIN_PREFIX}POSTROUTING`;
/** Refuses. A reset is not subject to the kernel's limit on ICMP errors: no client waits in vain. */
export const REFUSE = `${CHAIN_PREFIX}REFUSE`;
export const MASQUERADE = `${CHAIN_PREFIX}MASQUERADE`;

/** The rules that are there whatever the cluster holds, the jumps from the builtin chains among them. */
export function iptablesFixedItems(settings: FamilySettings, randomFully: boolean): Item[] {
  const mark = `0x${settings.masqueradeMark.toString(16)}`;
  const masquerade = randomFully ? "-j MASQUERADE --random-fully" : "-j MASQUERADE";
  const unreachable = settings.family === "ipv4" ? "icmp-port-unreachable" : "icmp6-port-unreachable";
  const ifMarked = `-m mark --mark ${mark}/${mark}`;
  const returns = settings.masqueradeAll ? [] : podMatches(settings).map((match) => rule(match, "-j RETURN"));
  return [
    ...chain("nat", SERVICES, [""]),
    ...chain("nat", NODEPORTS, [""]),
    ...(settings.localhost ? chain("nat", LOCALHOST, LOCALHOST_RULES) : []),
    ...chain("nat", MARK, [`-j MARK --set-xmark ${mark}/${mark}`]),
    ...(hasOutside(settings) ? chain("nat", OUTSIDE, [...returns, `-j ${MARK}`]) : []),
    ...chain("nat", HAIRPIN, [""]),
    ...chain("nat", POSTROUTING, [
      `${ifMarked} -j ${MASQUERADE}`,
      // An endpoint that reached itself must see another source, or it would answer itself directly.
      `-m conntrack --ctstate DNAT -j ${HAIRPIN}`,
    ]),
    // The mark has done its work; a packet that passes here a second time must not be masqueraded again.
    ...chain("nat", MASQUERADE, [`-j MARK --set-xmark ${mark}/0x0`, masquerade]),
    ...chain("filter", REFUSE, ["-p tcp -j REJECT --reject-with tcp-reset", `-j REJECT --reject-with ${unreachable}`]),
    ...chain("filter", FILTER, [""]),
    ...chain("filter", NODEPORTS, [""]),
    // On hosts that forward nothing by default, what a Service port took may pass, as with kube-proxy.
    ...chain("filter", FORWARD, [
      ...(settings.dropsInvalid ? [DROP_INVALID] : []),
      `${ifMarked} -j ACCEPT`,
      "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    ]),
    ...["PREROUTING", "OUTPUT"].map((hook) => jump("nat", hook, `-j ${SERVICES}`)),
    jump("nat", "POSTROUTING", `-j ${POSTROUTING}`),
    ...["INPUT", "FORWARD", "OUTPUT"].map((hook) => jump("filter", hook, `-m conntrack --ctstate NEW -j ${FILTER}`)),
    ...chain("filter", INPUT, [
      // The kernel no longer keeps others from this node's localhost once it forwards from there (CVE-2020-8558).
      settings.localhost
        ? "! -s 127.0.0.0/8 -d 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"
        : "",
    ]),
    jump("filter", "INPUT", `-j ${INPUT}`),
    jump("filter", "FORWARD", `-j ${FORWARD}`),
  ];
}

/** False when nothing on its way to a cluster IP is masqueraded, because nobody can tell who is a pod. */
export function hasOutside(settings: FamilySettings): boolean {
  return settings.masqueradeAll || knowsPods(settings);
}

/** Matches of which one fits every packet of a pod, and none any other. */
export function podMatches({ pods }: FamilySettings): string[] {
  if (pods.kind === "prefixes") return pods.prefixes.map(sourceMatch);
  return [`-i ${pods.name}${pods.partial ? "+" : ""}`];
}

/** "-s PREFIX" as iptables-save writes it: nothing for everybody. */
export function sourceMatch(prefix: string): string {
  return prefix.endsWith("/0") ? "" : `-s ${hostPrefix(prefix)}`;
}

/** An address as the prefix iptables-save writes for it; a prefix stays. */
export function hostPrefix(address: string): string {
  if (address.includes("/")) return address;
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

/** Matches and target joined, without the gaps that absent matches leave. */
export function rule(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(" ");
}

export function sole(object: string, key: string, value: string): Item {
  return { object, key, value, claim: "sole" };
}

export function shared(object: string, key: string, value: string): Item {
  return { object, key, value, claim: "shared" };
}

function chain(table: Table, name: string, rules: readonly string[]): Item[] {
  return rules.map((line, i) => sole(chainObject(table, name), `1 ${i}`, line));
}

function jump(table: Table, hook: string, line: string): Item {
  return sole(chainObject(table, hook), line, line);
}

import type { Family } from "../net/mod.ts";
import type { Protocol } from "./service-port.ts";
import { type FamilySettings, knowsPods } from "./settings.ts";

/** Slots of local endpoints, where a frontend has both, lie above those of all endpoints. */
export const LOCAL_SLOT = 32_768;

/**
 * Set of the addresses and ports that connections were made to, with the kernel's count of them. Rules fill it, so its
 * elements are the kernel's own; they outlive every change of what the connections lead to.
 */
export const CONNECTIONS = "connections";
/** A Service port beyond that is served and not counted. */
const CONNECTIONS_SIZE = 65_535;

/**
 * `cluster`: a cluster IP. `external`: an address or port for the outside, any endpoint answers.
 * `local`: the same, but only endpoints of this node answer connections from the outside.
 */
export type Kind = "cluster" | "external" | "local";

/**
 * How the connections to one frontend are spread. Frontends that are spread alike share one chain, so that the number of
 * chains depends on how many endpoints Services have, not on how many Services there are.
 */
export interface Shape {
  readonly kind: Kind;
  readonly front: "service" | "nodeport";
  readonly protocol: Protocol;
  /** How many endpoints are in slots 0 and up; at least 1. */
  readonly targets: number;
  /** Of kind `local`: how many endpoints are in slots LOCAL_SLOT and up. */
  readonly local: number;
}

/** A chain's name and its body, one statement a line, as nft prints it. */
export interface Chain {
  readonly name: string;
  readonly body: string;
}

/** Chains made so far: some dozens serve tens of thousands of Services. */
const made = new WeakMap<FamilySettings, Map<string, Chain>>();

export function shapeChain(shape: Shape, settings: FamilySettings): Chain {
  const prefix = `${shape.protocol}-${shape.front === "nodeport" ? "nodeport-" : ""}`;
  const sizes = shape.kind === "local" ? `${shape.local}-of-${shape.targets}` : shape.targets;
  const name = `${prefix}${shape.kind}-${sizes}`;
  const chains = made.get(settings) ?? new Map<string, Chain>();
  made.set(settings, chains);
  const known = chains.get(name);
  if (known !== undefined) return known;
  const chain = { name, body: shapeRules(shape, settings).join("\n") };
  chains.set(name, chain);
  return chain;
}

const ENDPOINT_MAPS = {
  service: { tcp: "tcp-endpoints", udp: "udp-endpoints", sctp: "sctp-endpoints" },
  nodeport: { tcp: "tcp-nodeport-endpoints", udp: "udp-nodeport-endpoints", sctp: "sctp-nodeport-endpoints" },
} as const;

/** The map that says which endpoint is in which slot. */
export function endpointMap(front: Shape["front"], protocol: Protocol): string {
  return ENDPOINT_MAPS[front][protocol];
}

/** The chains that are there whatever the cluster holds. Base chains come last: they make the rest take effect. */
export function fixedChains(settings: FamilySettings): Chain[] {
  const ip = ipOf(settings);
  const front = `${ip} daddr . meta l4proto . th dport`;
  const nodePort = `${ip} daddr @nodeport-addresses meta l4proto . th dport`;
  const bit = hex(settings.masqueradeMark);
  const chains: Record<string, readonly string[]> = {
    // A reset is not subject to the kernel's limit on ICMP errors (net.ipv4.icmp_ratelimit): no client waits in vain.
    refuse: ["reject with tcp reset", "reject"], // the first concerns TCP only
    "masquerade-mark": [`meta mark set meta mark | ${bit}`],
    // The mark has done its work; a packet that passes here a second time must not be masqueraded again.
    "masquerade-marked": [`meta mark set meta mark & ${hex(~settings.masqueradeMark >>> 0)} masquerade fully-random`],
    dispatch: [`${front} vmap @services`, `${nodePort} vmap @nodeports`],
    // Source ranges count before the address is rewritten, and only for connections that begin.
    "check-source": [`${front} @restricted ${front} . ${ip} saddr != @allowed-sources drop`],
    // What still has its first destination here was taken by no Service port.
    "check-unserved": [
      `${front} vmap @no-endpoints`,
      `${nodePort} vmap @no-endpoint-nodeports`,
      `fib daddr type != local ${ip} daddr @guarded-addresses goto refuse`,
      // A cluster IP nobody has would be routed away, and perhaps back again and again.
      `fib daddr type != local ${ip} daddr @service-ranges drop`,
    ],
    "filter-prerouting": [
      hook("filter", "prerouting", "dstnat - 10"),
      // The kernel no longer keeps others from this node's localhost once it forwards from there (CVE-2020-8558).
      ...(settings.localhost ? [`iifname != "lo" ip daddr 127.0.0.0/8 drop`] : []),
      "ct state new jump check-source",
    ],
    "filter-output-first": [hook("filter", "output", "-110"), "ct state new jump check-source"],
    "filter-input": [hook("filter", "input", "filter"), "ct state new jump check-unserved"],
    "filter-forward": [hook("filter", "forward", "filter"), "ct state new jump check-unserved"],
    "filter-output": [hook("filter", "output", "filter"), "ct state new jump check-unserved"],
    "nat-postrouting": [
      hook("nat", "postrouting", "srcnat"),
      `meta mark & ${bit} == ${bit} goto masquerade-marked`,
      // An endpoint that reached itself must see another source, or it would answer itself directly.
      `ct status dnat ${ip} saddr . ${ip} daddr @hairpin masquerade fully-random`,
    ],
    "nat-output": [hook("nat", "output", "-100"), "jump dispatch"],
    "nat-prerouting": [hook("nat", "prerouting", "dstnat"), "jump dispatch"],
  };
  return Object.entries(chains).map(([name, lines]) => ({ name, body: lines.join("\n") }));
}

/** The kind and type of CONNECTIONS, as the ledger has them. */
export function connectionsSet(family: Family): string {
  return `set\ntype ${family}_addr . inet_proto . inet_service\nsize ${CONNECTIONS_SIZE}\nflags dynamic`;
}

/** True for a body that begins with a hook: such a chain takes effect as soon as it exists. */
export function isBaseChain(body: string): boolean {
  return body.startsWith("type ");
}

function shapeRules(shape: Shape, settings: FamilySettings): string[] {
  const toAny = dnat(settings, shape, `numgen random mod ${shape.targets}`);
  const toLocal = dnat(settings, shape, `numgen random mod ${shape.local} offset ${LOCAL_SLOT}`);
  return entryRules(shape.kind, { toAny, ...(shape.local > 0 ? { toLocal } : {}) }, settings);
}

/**
 * What a connection to a frontend passes: it is counted, marked for masquerade where that is due, and led on.
 * @param ways `toLocal` is absent when this node has no endpoint for connections from the outside.
 */
export function entryRules(
  kind: Kind,
  { toAny, toLocal }: { readonly toAny: string; readonly toLocal?: string },
  settings: FamilySettings,
): string[] {
  const masquerade = "jump masquerade-mark";
  const count = `add @${CONNECTIONS} { ${ipOf(settings)} daddr . meta l4proto . th dport counter }`;
  switch (kind) {
    case "cluster":
      if (settings.masqueradeAll) return [count, masquerade, toAny];
      return [count, ...(knowsPods(settings) ? [`${podMatch(settings, "!= ")} ${masquerade}`] : []), toAny];
    case "external":
      return [count, masquerade, toAny];
    case "local":
      // Pods and the node itself are served as if they had gone out and come back through a load balancer.
      return [
        count,
        ...(knowsPods(settings) ? [`${podMatch(settings, "")} ${toAny}`] : []),
        `fib saddr type local ${masquerade}`,
        `fib saddr type local ${toAny}`,
        ...(toLocal === undefined ? [] : [toLocal]),
      ];
  }
}

function podMatch(settings: FamilySettings, not: "" | "!= "): string {
  const { pods } = settings;
  if (pods.kind === "prefixes") return `${ipOf(settings)} saddr ${not}@cluster-sources`;
  return `iifname ${not}"${pods.name}${pods.partial ? "*" : ""}"`;
}

function dnat(settings: FamilySettings, { front, protocol }: Shape, slot: string): string {
  const ip = ipOf(settings);
  const key = front === "service" ? `${ip} daddr . ${protocol} dport` : `${protocol} dport`;
  return `${dnatTo(settings)} ${key} . ${slot} map @${endpointMap(front, protocol)}`;
}

/** What an address and port from a map follow. */
export function dnatTo(settings: FamilySettings): string {
  return `dnat ${ipOf(settings)} to`;
}

function hook(type: "filter" | "nat", name: string, priority: string): string {
  return `type ${type} hook ${name} priority ${priority}; policy accept;`;
}

export function ipOf({ family }: FamilySettings): "ip" | "ip6" {
  return family === "ipv4" ? "ip" : "ip6";
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}

import type { Family } from "../net/mod.ts";

/** Transport protocols a Service port can have, as netfilter spells them. */
export const PROTOCOLS = ["tcp", "udp", "sctp"] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Who may answer: every endpoint of the cluster, or those on this node only. */
export type TrafficPolicy = "cluster" | "local";

/** How connections are spread over the endpoints. The last two choose by a hash: alike on every node, and steady. */
export const BALANCINGS = ["random", "source-hash", "maglev"] as const;
export type Balancing = (typeof BALANCINGS)[number];

/** One place a connection can be sent to. */
export interface Target {
  /** Canonical text of the address. */
  readonly address: string;
  readonly port: number;
  /** True for endpoints that may be on this node: those whose node is this one, or not known. */
  readonly near: boolean;
  /** How many shares of the connections it gets; absent: 1. */
  readonly weight?: number;
}

/**
 * One port of one Service in one address family: all that the data plane of this node needs to know, whatever writes it.
 * Addresses are canonical text, because that is what both kernels' tools print back.
 */
export interface ServicePort {
  /** "namespace/name:port", unique together with family and protocol. */
  readonly name: string;
  readonly family: Family;
  readonly protocol: Protocol;
  readonly port: number;
  readonly clusterIp: string;
  /** Service.spec.externalIPs. */
  readonly externalIps: readonly string[];
  /** Addresses of Service.status.loadBalancer that this node answers for. */
  readonly loadBalancerIps: readonly string[];
  /** Sources that may use the load balancer addresses, as prefixes that do not overlap; absent: everybody. */
  readonly sourceRanges?: readonly string[];
  /** 0 when there is none. */
  readonly nodePort: number;
  /** Who answers on the cluster IP. */
  readonly internalPolicy: TrafficPolicy;
  /** Who answers on external IPs, load balancer addresses and the node port. */
  readonly externalPolicy: TrafficPolicy;
  /** What the policy "cluster" uses. Empty: nobody can answer. */
  readonly cluster: readonly Target[];
  /** What the policy "local" uses. */
  readonly local: readonly Target[];
  /** Seconds for which a client that comes again gets the endpoint it had; 0: no such promise. */
  readonly affinitySeconds: number;
  readonly balancing: Balancing;
  /** Of UDP ports: all endpoints that serve, whatever the policies choose of them. */
  readonly serving: readonly { readonly address: string; readonly port: number }[];
  /** Milliseconds for which UDP flows may go on to an endpoint that was removed. */
  readonly drain: number;
  /** Where this node answers health checks for the Service; 0 when nowhere. */
  readonly healthCheckNodePort: number;
  /** Addresses on which a port that no Service has is refused, instead of wandering through the network. */
  readonly guarded: readonly string[];
}

/** The targets that `policy` uses. */
export function targetsOf(port: ServicePort, policy: TrafficPolicy): readonly Target[] {
  return policy === "cluster" ? port.cluster : port.local;
}

/** One entry for each share that a target gets. */
export function slotsOf(targets: readonly Target[]): readonly Target[] {
  if (targets.every(({ weight = 1 }) => weight === 1)) return targets; // nearly always, and ten times as quick
  return targets.flatMap((target) => Array.from({ length: target.weight ?? 1 }, () => target));
}

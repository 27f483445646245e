import type { Family } from "../net/mod.ts";
import type { Owner } from "./ledger.ts";
import type { Protocol, ServicePort } from "./service-port.ts";

/** What a look at the kernel says. */
export interface Look {
  /**
   * `broken`: our rules are not in force. `touched`: they are, but somebody has changed something, and only check() can
   * tell whether it was ours. `fine`: all is known, and the next write() puts it right.
   */
  readonly condition: "fine" | "touched" | "broken";
  /** How many things were seen that others have changed. */
  readonly differing: number;
}

/** How many connections one frontend of a Service has seen, by a counter in the kernel that may begin anew at any time. */
export interface Count {
  /** Tells this counter from all others of the backend. */
  readonly key: string;
  /** Key of the Service. */
  readonly service: string;
  readonly protocol: Protocol;
  readonly front: "service" | "nodeport";
  /** The Service's port, or its node port. */
  readonly port: number;
  readonly connections: number;
}

/** What kube-proxy counts of packets with rules of iptables, by the names it has for it. */
export const PACKET_KINDS = ["ct_state_invalid_dropped", "localhost_nodeports_accepted"] as const;
export type PacketKind = (typeof PACKET_KINDS)[number];

export interface Counts {
  readonly connections: readonly Count[];
  /** Since the rules were written that count them; absent where there are no such rules. */
  readonly packets?: Readonly<Record<PacketKind, number>>;
}

/** The rules of one address family in the kernel, whatever writes them. */
export interface Backend {
  readonly family: Family;
  /** How changes by others are noticed: the kernel tells, or one must look. */
  readonly drift: "notified" | "polled";
  /** From now on `owner` needs the rules of `ports`. Nothing is written yet. */
  replace(owner: Owner, ports: readonly ServicePort[]): void;
  /** Where node ports are reached from now on. Nothing is written yet. */
  setNodeAddresses(addresses: readonly string[]): void;
  /** Where cluster IPs are given from, from now on: prefixes that do not overlap. Nothing is written yet. */
  setServiceRanges(ranges: readonly string[]): void;
  /**
   * Reads everything back, so that the next write() writes exactly what differs.
   * To be called at the start, after a failed write(), and when others may have changed something. Returns how many
   * things were not as believed.
   */
  check(): Promise<number>;
  /**
   * Writes what is not written yet; connections that no change is about never notice. Returns how many things it wrote.
   * @throws {IronbridgeError} IB_KERNEL_REFUSED; part of it may have been written.
   */
  write(): Promise<number>;
  /** A quick look, whatever the number of Services. */
  inspect(): Promise<Look>;
  /** What the kernel has counted. Costs a listing. */
  counts(): Promise<Counts>;
  /** How many things are wanted in the kernel: rules by table of iptables, chains and elements of nftables. */
  sizes(): ReadonlyMap<string, number>;
  close(): void;
}

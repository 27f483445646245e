import type { Family } from "../net/mod.ts";
import type { Owner } from "./ledger.ts";
import type { ServicePort } from "./service-port.ts";

/**
 * What a look at the kernel says. `broken`: our rules are not in force. `touched`: they are, but somebody has changed
 * something, and only check() can tell whether it was ours.
 */
export type Condition = "fine" | "touched" | "broken";

/** The rules of one address family in the kernel, whatever writes them. */
export interface Backend {
  readonly family: Family;
  /** How changes by others are noticed: the kernel tells, or one must look. */
  readonly drift: "notified" | "polled";
  /** From now on `owner` needs the rules of `ports`. Nothing is written yet. */
  replace(owner: Owner, ports: readonly ServicePort[]): void;
  /** Where node ports are reached from now on. Nothing is written yet. */
  setNodeAddresses(addresses: readonly string[]): void;
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
  inspect(): Promise<Condition>;
}

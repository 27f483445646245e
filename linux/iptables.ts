import type { Family } from "../net/mod.ts";

export type IptablesVariant = "legacy" | "nft";

/** iptables-restore and iptables-save of one family and one variant, in the namespace this process runs in. */
export interface Iptables {
  readonly family: Family;
  readonly variant: IptablesVariant;
  /** MASQUERADE --random-fully is understood (iptables >= 1.6.2). */
  readonly randomFully: boolean;
  /**
   * Applies `script` with --noflush and lock waiting: tables in it are each all or nothing, chains not named stay.
   * @throws {IronbridgeError} IB_KERNEL_REFUSED with the program's words and the line it points at.
   */
  restore(script: string): Promise<void>;
  /** What iptables-save prints for `table`; "" when the kernel has no such table yet. Reading never creates a table. */
  save(table: "nat" | "filter" | "mangle"): Promise<string>;
  /** The rules of one chain as `iptables -S CHAIN` prints them; undefined when there is no such chain. Cheaper than save(). */
  list(table: "nat" | "filter" | "mangle", chain: string): Promise<string | undefined>;
}

/** `auto` takes the variant that already holds rules of others, as kube-proxy's wrapper does, else nft. */
export declare function openIptables(family: Family, variant: IptablesVariant | "auto"): Promise<Iptables>;

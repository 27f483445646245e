import type { EventNote } from "../kube/mod.ts";
import type { FamilyUsage } from "./pool-ledger.ts";

/** Percent below a threshold at which it counts as left again, so that a pool at the edge does not tell on and on. */
const SLACK = 5;

/**
 * Follows how full each pool is and says when it passes a threshold. Pure: it is told the usage and gives the notes.
 * @param thresholds In percent, in rising order.
 */
export class PoolUsageWatch {
  readonly #thresholds: readonly number[];
  /** By pool and family: the highest threshold passed. */
  readonly #passed = new Map<string, number>();

  constructor(thresholds: readonly number[]) {
    this.#thresholds = thresholds;
  }

  /** What is to be told about the pool now. */
  notes(pool: string, usage: { readonly ipv4: FamilyUsage; readonly ipv6: FamilyUsage }): readonly EventNote[] {
    return [...this.#notesOf(pool, "IPv4", usage.ipv4), ...this.#notesOf(pool, "IPv6", usage.ipv6)];
  }

  #notesOf(pool: string, family: string, { held, total }: FamilyUsage): readonly EventNote[] {
    if (total === 0n) return [];
    const percent = Number((BigInt(held) * 1000n) / total) / 10;
    const key = `${pool} ${family}`;
    const before = this.#passed.get(key) ?? 0;
    const above = this.#thresholds.filter((threshold) => percent >= threshold).at(-1) ?? 0;
    const now = above >= before || percent < before - SLACK ? above : before;
    this.#passed.set(key, now);
    if (now === before) return [];
    const counts = `${held} of ${total} ${family} addresses are in use`;
    if (now < before) return [{ type: "Normal", reason: "PoolUsageFell", message: `below ${before} %: ${counts}` }];
    const remedy = "add addresses to the pool or release unused Services";
    return [{ type: "Warning", reason: "PoolUsageHigh", message: `${now} % reached: ${counts}; ${remedy}` }];
  }
}

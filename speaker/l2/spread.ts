import type { Claims } from "../claim.ts";
import { bestRanked, type Contender } from "../election.ts";

/** How much more than an even share one node may get. */
const TOLERANCE = 1.25;

/**
 * Counts who holds how many addresses while a decision goes through them all, so that of the free ones no node gets many
 * more than the others. Members that have heard the same claims and go through them in the same order choose the same.
 */
export class SpreadBook {
  readonly #loads: Map<string, number>;
  readonly #limit: number;
  /** Both families of a Service go to one node. */
  readonly #given = new Map<string, string>();

  /** @param claims Of every member that is there, by its name. */
  constructor(claims: ReadonlyMap<string, Claims>) {
    const held = (each: Claims) => [...each.values()].filter(({ stance }) => stance === "holds").length;
    this.#loads = new Map([...claims].map(([node, each]) => [node, held(each)]));
    const addresses = new Set([...claims.values()].flatMap((each) => [...each.keys()]));
    this.#limit = Math.ceil((TOLERANCE * addresses.size) / Math.max(1, claims.size));
  }

  /** The best ranked of `free` that has room, or the best of all when none has; it is counted as the holder. */
  give(free: readonly Contender[], rankAddress: string): Contender | undefined {
    const before = free.find(({ node }) => node === this.#given.get(rankAddress));
    const roomy = free.filter(({ node }) => (this.#loads.get(node) ?? 0) < this.#limit);
    const chosen = before ?? bestRanked(roomy.length > 0 ? roomy : free, rankAddress);
    if (chosen === undefined) return undefined;
    this.#given.set(rankAddress, chosen.node);
    this.#loads.set(chosen.node, (this.#loads.get(chosen.node) ?? 0) + 1);
    return chosen;
  }
}

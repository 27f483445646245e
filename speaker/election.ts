import { hash } from "node:crypto";
import type { Claim } from "./claim.ts";
import type { Reach } from "./member-link.ts";

/** A member's claim to one address, and how far the member itself can be reached. */
export interface Contender extends Claim {
  readonly node: string;
  readonly reach: Exclude<Reach, "lost">;
}

/**
 * Who is to announce an address; undefined when nobody can. Every member that has heard the same claims names the same one.
 *
 * A holder stays the holder while it is ready, however well others rank: moving an address breaks connections. Of several
 * holders (after a partition) one that can't hear the others comes first, for it would not give way; then the better rank
 * among those that are surely there.
 *
 * @param rankAddress Canonical text of what is hashed: the first address of the Service, so that both families of a
 * Service go to one node.
 */
export function electHolder(contenders: readonly Contender[], rankAddress: string): Contender | undefined {
  const holders = contenders.filter(({ stance }) => stance === "holds");
  for (const reach of ["deaf", "alive", "returning", "restarting"] as const) {
    const reached = holders.filter((holder) => holder.reach === reach);
    if (reached.length > 0) return bestRanked(reached, rankAddress);
  }
  return bestRanked(contenders.filter(isFree), rankAddress);
}

/** Who answers for a holder that is restarting: the best of those that could take the address themselves. */
export function electStandIn(contenders: readonly Contender[], rankAddress: string): Contender | undefined {
  return bestRanked(contenders.filter(isFree), rankAddress);
}

/**
 * MetalLB's order: the higher score first, then the smaller SHA-256 of `node#address`.
 * Taking away one that is not first never changes who is first.
 */
export function bestRanked<C extends Pick<Contender, "node" | "score">>(
  contenders: readonly C[],
  rankAddress: string,
): C | undefined {
  if (contenders.length < 2) return contenders[0];
  const score = Math.max(...contenders.map((contender) => contender.score));
  const [first, ...rest] = contenders
    .filter((contender) => contender.score === score)
    .map((contender) => ({ contender, digest: hash("sha256", `${contender.node}#${rankAddress}`) }));
  return rest.reduce((best, other) => (other.digest < best.digest ? other : best), first!).contender;
}

/** Can take the address now: any other member would not know, or not act. */
export function isFree({ stance, reach }: Contender): boolean {
  return reach === "alive" && (stance === "ready" || stance === "standsIn");
}

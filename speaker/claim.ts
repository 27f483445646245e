/**
 * How a member stands to an address it may announce:
 * - ready: would take it; its rules are in the kernel and it has an interface for it
 * - holds: announces it
 * - handsOver: still answers for it, until another holds it
 * - standsIn: ready, and answers in the name of a holder whose program is being restarted
 */
export type Stance = "ready" | "holds" | "handsOver" | "standsIn";

/** What one member says about one address. */
export interface Claim {
  readonly stance: Stance;
  /** Preference, 0 to MAX_SCORE; more is better. */
  readonly score: number;
}

export const MAX_SCORE = 0xffff;

/** Everything one member claims, by the canonical text of the address. */
export type Claims = ReadonlyMap<string, Claim>;

/** True when two members would act the same on both. */
export function sameClaims(a: Claims, b: Claims): boolean {
  if (a.size !== b.size) return false;
  for (const [address, claim] of a) {
    const other = b.get(address);
    if (other === undefined || other.stance !== claim.stance || other.score !== claim.score) return false;
  }
  return true;
}

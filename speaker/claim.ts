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
  /** How fit the member is for the address: preference and FITNESS added up, 16 bits; more is better. */
  readonly score: number;
}

/** The highest preference that counts. */
export const MAX_PREFERENCE = 0x3fff;

/** What matters more than any preference: no other node's client would hear one that is not in the address's subnet. */
export const FITNESS = { nodeReady: 0x4000, inSubnet: 0x8000 } as const;

/**
 * How the announcer of an address is chosen when it has one already:
 * - sticky: only a fitter or better liked node takes it from a holder, since moving an address breaks connections
 * - revertive: the best ranked node takes it, as MetalLB does
 * - spread: as sticky, and of free addresses no node gets many more than the others
 */
export type ElectionRule = "sticky" | "revertive" | "spread";

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

import { parseAddress } from "../../net/mod.ts";
import { FITNESS } from "../claim.ts";
import type { Wanted } from "./holdings.ts";
import { type HostLink, placeOf } from "./interfaces.ts";
import type { Assignment } from "./message.ts";

/** An address that could be announced, and where. */
export interface Offer extends Wanted {
  readonly interfaces: readonly string[];
}

/** What is assigned to a node and has an interface, by address; in the address's subnet is better than anywhere else. Pure. */
export function offersOf({ announcements }: Assignment, links: readonly HostLink[]): ReadonlyMap<string, Offer> {
  const offers = new Map<string, Offer>();
  for (const { address, rankAddress, rule, score, interfaces: asked } of announcements) {
    const { interfaces, inSubnet } = placeOf(parseAddress(address), asked, links);
    if (interfaces.length === 0) continue;
    offers.set(address, { rankAddress, rule, interfaces, score: score + (inSubnet ? FITNESS.inSubnet : 0) });
  }
  return offers;
}

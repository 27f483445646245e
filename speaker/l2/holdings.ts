import type { Claim, Claims, ElectionRule } from "../claim.ts";
import { bestRanked, type Contender, electHolder, electStandIn, isFree } from "../election.ts";
import type { Peer } from "../member-table.ts";
import { SpreadBook } from "./spread.ts";

/** An address this node could announce now: rules in the kernel, an interface to announce it on. */
export interface Wanted {
  readonly rankAddress: string;
  readonly score: number;
  readonly rule: ElectionRule;
}

/** What this node does about one address. */
export interface Holding extends Claim {
  /**
   * Milliseconds. With handsOver: when to stop answering though nobody took over. With ready: when to take a free address
   * though not all members have spoken.
   */
  readonly until?: number;
  /** With ready: when it may be taken from its holder, who is less fit for it; milliseconds. */
  readonly takesAt?: number;
  /** With standsIn: the member that is answered for. */
  readonly inNameOf?: string;
  /** With holds: another member says the same, and is to give way. */
  readonly contested?: true;
}

export type Holdings = ReadonlyMap<string, Holding>;

/** How long an address is answered for after this node should not announce it any more, while somebody may take over. */
const HAND_OVER = 300;

/**
 * How long a free address waits for members that have not claimed it, from when this node became ready for it. Members
 * become ready one after the other for a new Service; the best ranked is to have it, not the fastest.
 */
const SETTLE = 100;

/**
 * How long a node must have been ready without a break before it takes an address from a holder that works: one that comes
 * and goes drags nothing along.
 */
const HOLD_OFF = 5000;

export interface HoldingsInput {
  readonly self: string;
  readonly wanted: ReadonlyMap<string, Wanted>;
  readonly peers: readonly Peer[];
  readonly before: Holdings;
  /** Addresses to take up again, unless another took them meanwhile: this node held them before it was held up. */
  readonly resume: (address: string) => boolean;
  /** False where this node could not give the hardware address of the member `holder` in its name. */
  readonly canStandIn: (address: string, holder: string) => boolean;
  readonly now: number;
}

/**
 * What this node does next about every address it wants or still answers for. Pure; run on all members with the same
 * claims it names one holder for each address.
 */
export function decideHoldings(input: HoldingsInput): Holdings {
  const claims = claimsByAddress(input.peers);
  const next = new Map<string, Holding>();
  const book = spreadBook(input);
  for (const [address, wanted] of book === undefined ? input.wanted : sortedByAddress(input.wanted)) {
    next.set(address, holdingOf(address, wanted, claims.get(address) ?? [], input, book));
  }
  for (const [address, holding] of input.before) {
    if (next.has(address)) continue;
    const kept = handOver(holding, claims.get(address) ?? [], input);
    if (kept !== undefined) next.set(address, kept);
  }
  return next;
}

function holdingOf(
  address: string,
  wanted: Wanted,
  others: readonly Contender[],
  input: HoldingsInput,
  book: SpreadBook | undefined,
): Holding {
  const { self, before, resume, peers, now } = input;
  const { score, rankAddress } = wanted;
  const until = before.get(address)?.until ?? now + SETTLE;
  const taken = others.some(({ stance, reach }) => stance === "holds" && reach !== "restarting");
  const stanceBefore = before.get(address)?.stance;
  const holdsAlready = stanceBefore === "holds" || (!taken && (stanceBefore === "handsOver" || resume(address)));
  const us: Contender = { node: self, score, stance: holdsAlready ? "holds" : "ready", reach: "alive" };

  const isHeld = [us, ...others].some(({ stance }) => stance === "holds");
  const spreads = wanted.rule === "spread" && !isHeld;
  const holder =
    spreads && book !== undefined
      ? book.give([us, ...others].filter(isFree), rankAddress)
      : electHolder([us, ...others], rankAddress);
  if (holder === us && holdsAlready) return { stance: "holds", score, ...(taken ? { contested: true } : {}) };
  const spoken = others.filter(({ reach }) => reach === "alive").length;
  const present = peers.filter(({ reach }) => reach === "alive").length;
  if (holder === us && (spoken === present || now >= until)) return { stance: "holds", score };
  const mayStandIn = holder?.reach === "restarting" && electStandIn([us, ...others], rankAddress) === us;
  if (mayStandIn && input.canStandIn(address, holder.node)) {
    return { stance: "standsIn", score, until, inNameOf: holder.node };
  }
  if (!mayTake(us, others, wanted)) return { stance: "ready", score, until };
  const takesAt = until - SETTLE + HOLD_OFF;
  if (now < takesAt) return { stance: "ready", score, until, takesAt };
  return { stance: "holds", score, contested: true };
}

/**
 * True when `us` is to have the address rather than a holder that works and will hear of it: a fitter or better liked one
 * always, a better ranked one if the rule says so. The holder gives way once it hears that we hold it, so nothing is lost.
 */
function mayTake(us: Contender, others: readonly Contender[], { rule, rankAddress }: Wanted): boolean {
  const holders = others.filter(({ stance }) => stance === "holds");
  if (holders.length === 0 || holders.some(({ reach }) => reach !== "alive")) return false;
  if (electStandIn([us, ...others], rankAddress) !== us) return false;
  if (holders.every(({ score }) => score < us.score)) return true;
  return rule === "revertive" && bestRanked([us, ...holders], rankAddress) === us;
}

/** Goes on answering for an address until another member holds it, as long as one may. */
function handOver(holding: Holding, others: readonly Contender[], { peers, now }: HoldingsInput): Holding | undefined {
  if (holding.stance !== "holds" && holding.stance !== "handsOver") return undefined;
  const taken = others.some(({ stance, reach }) => stance === "holds" && reach === "alive");
  if (taken || !peers.some(({ reach }) => reach === "alive")) return undefined;
  const until = holding.until ?? now + HAND_OVER;
  return now < until ? { stance: "handsOver", score: holding.score, until } : undefined;
}

/** Undefined when no address is to be spread. */
function spreadBook({ self, wanted, peers, before }: HoldingsInput): SpreadBook | undefined {
  if (![...wanted.values()].some(({ rule }) => rule === "spread")) return undefined;
  const there = peers.filter(({ reach }) => reach === "alive").map(({ name, claims }) => [name, claims] as const);
  return new SpreadBook(new Map([...there, [self, before]]));
}

/** In an order that is the same on every member. */
function sortedByAddress(wanted: ReadonlyMap<string, Wanted>): [string, Wanted][] {
  return [...wanted].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The claims of all members that can be reached, turned round. */
function claimsByAddress(peers: readonly Peer[]): ReadonlyMap<string, readonly Contender[]> {
  const byAddress = new Map<string, Contender[]>();
  for (const { name, reach, claims } of peers) {
    if (reach === "lost") continue;
    for (const [address, claim] of claims) {
      const contender: Contender = { node: name, reach, ...claim };
      const others = byAddress.get(address);
      if (others === undefined) byAddress.set(address, [contender]);
      else others.push(contender);
    }
  }
  return byAddress;
}

/** True when a member answers for a holder that is restarting: by this a holder that restarted knows itself. */
export function isStoodInFor(address: string, peers: readonly { readonly claims: Claims; readonly reach: string }[]) {
  return peers.some(({ reach, claims }) => reach === "alive" && claims.get(address)?.stance === "standsIn");
}

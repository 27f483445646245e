import {
  type Address,
  type BgpAttributes,
  type BgpUpdate,
  compareAddresses,
  type Family,
  isLinkLocal,
  type Prefix,
  prefixContains,
  printPrefix,
} from "../../net/mod.ts";

/** Which routes of peers are taken, and by whom. */
export interface LearnPolicy {
  /** Prefixes of all pods: nothing outside of them is taken. */
  readonly within: readonly Prefix[];
  /** The pods of this node, to which nobody else knows a way. */
  readonly own: readonly Prefix[];
}

/** Where packets go next. */
export interface Way {
  /** Of the prefix' family, or an IPv6 one: RFC 8950. */
  readonly nextHop: Address;
  /** The interface that a link-local next hop is on. */
  readonly device?: string;
}

/** A route as one peer told it. */
export interface HeardRoute {
  readonly key: string;
  readonly prefix: Prefix;
  readonly way: Way;
  readonly localPref: number;
  /** Number of autonomous systems on the way. */
  readonly hops: number;
}

/** Who this side is: routes that have been here come back by a detour. RFC 4271 section 9, RFC 4456 section 8. */
export interface Receiver {
  readonly asn: number;
  readonly routerId: number;
  /** The interface of an unnumbered session. */
  readonly device?: string;
}

/** Routes that are taken from one peer; a cluster has some per node. */
export const MOST_HEARD = 20_000;
const DEFAULT_LOCAL_PREF = 100;

/** What one peer told of the ways to pods. Its routes outlive a restart of it, as a helper of RFC 4724 has it. */
export class RibIn {
  readonly #routes = new Map<string, HeardRoute>();
  /** Those that the peer has not told again since it came back. */
  readonly #stale = new Set<string>();
  #overflowed = false;

  /** True once the peer told more routes than are taken from one, until the session is lost. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  get routes(): Iterable<HeardRoute> {
    return this.#routes.values();
  }

  /** Takes an UPDATE. True when something is other than before. */
  hear(update: BgpUpdate, within: readonly Prefix[], receiver: Receiver): boolean {
    const { attributes, malformed } = update;
    const gone = [...update.withdrawn, ...(attributes.unreach?.prefixes ?? [])];
    const told = [...update.announced, ...(attributes.reach?.prefixes ?? [])];
    const usable = malformed === undefined && !hasBeenHere(attributes, receiver);
    let changed = false;
    for (const prefix of gone) changed = this.#forget(printPrefix(prefix)) || changed;
    for (const prefix of told) {
      const key = printPrefix(prefix);
      const way = wayOf(attributes, prefix.family, receiver.device);
      const inside = within.some((each) => each.length <= prefix.length && holds(each, prefix));
      if (!usable || way === undefined || !inside) changed = this.#forget(key) || changed;
      else if (this.#routes.size < MOST_HEARD || this.#routes.has(key))
        changed = this.#remember(heard(key, prefix, way, attributes)) || changed;
      else this.#overflowed = true;
    }
    return changed;
  }

  /** The session is lost; what was told counts on until it is told again, or flush() is called. */
  lose(): void {
    this.#overflowed = false;
    for (const key of this.#routes.keys()) this.#stale.add(key);
  }

  /** Forgets what was not told again of these families. True when there was something. */
  flush(families: readonly Family[]): boolean {
    const left = [...this.#stale].filter((key) => families.includes(this.#routes.get(key)?.prefix.family ?? "ipv4"));
    for (const key of left) this.#forget(key);
    return left.length > 0;
  }

  #forget(key: string): boolean {
    this.#stale.delete(key);
    return this.#routes.delete(key);
  }

  #remember(route: HeardRoute): boolean {
    const before = this.#routes.get(route.key);
    this.#stale.delete(route.key);
    this.#routes.set(route.key, route);
    return before === undefined || compareHeard(before, route) !== 0;
  }
}

/** The better route first: RFC 4271 section 9.1.2.2 as far as it matters among routers of one cluster. */
export function compareHeard(a: HeardRoute, b: HeardRoute): number {
  if (a.localPref !== b.localPref) return b.localPref - a.localPref;
  if (a.hops !== b.hops) return a.hops - b.hops;
  const order = compareAddresses(a.way.nextHop, b.way.nextHop);
  const [one = "", other = ""] = [a.way.device, b.way.device];
  return order !== 0 || one === other ? order : one < other ? -1 : 1;
}

/** The best route to each prefix, none of which leads to the pods of this node. */
export function bestRoutes(all: Iterable<HeardRoute>, own: readonly Prefix[]): HeardRoute[] {
  const best = new Map<string, HeardRoute>();
  for (const route of all) {
    if (own.some((prefix) => holds(prefix, route.prefix) || holds(route.prefix, prefix))) continue;
    const known = best.get(route.key);
    if (known === undefined || compareHeard(route, known) < 0) best.set(route.key, route);
  }
  return [...best.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function heard(key: string, prefix: Prefix, way: Way, { localPref, asPath = [] }: BgpAttributes): HeardRoute {
  const hops = asPath.reduce((sum, { asns }) => sum + asns.length, 0);
  return { key, prefix, way, localPref: localPref ?? DEFAULT_LOCAL_PREF, hops };
}

function hasBeenHere({ asPath = [], originatorId }: BgpAttributes, { asn, routerId }: Receiver): boolean {
  return originatorId === routerId || asPath.some(({ asns }) => asns.includes(asn));
}

/**
 * Of a pair of IPv6 next hops (RFC 2545) the global one; in an unnumbered session the link-local one, which needs no address
 * of this node to be reached. A link-local one says nothing without its link.
 */
function wayOf({ nextHop, reach }: BgpAttributes, family: Family, device: string | undefined): Way | undefined {
  const told = reach?.family === family ? reach.nextHops : nextHop === undefined ? [] : [nextHop];
  const fitting = told.filter((each) => each.family === family || each.family === "ipv6");
  const near = device === undefined ? undefined : fitting.find(isLinkLocal);
  if (device !== undefined && near !== undefined) return { nextHop: near, device };
  const far = fitting.find((each) => !isLinkLocal(each));
  return far && { nextHop: far };
}

function holds(outer: Prefix, { family, first }: Prefix): boolean {
  return prefixContains(outer, { family, value: first });
}

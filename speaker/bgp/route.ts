import { AsSegment, type BgpAttributes, BgpOrigin, type Family, type Prefix } from "../../net/mod.ts";

/** What one advertisement says of a prefix. Crosses threads, so it is plain data. */
export interface Offer {
  /** The advertisement: namespace/name of a BGPAdvertisement. */
  readonly advertisement: string;
  /** Names of the peers it is for. */
  readonly peers: "all" | readonly string[];
  /** 0: not set. */
  readonly localPref: number;
  /** RFC 1997: numbers of 32 bits. */
  readonly communities: readonly number[];
  /** RFC 8092 */
  readonly largeCommunities: readonly (readonly [number, number, number])[];
  /** True: the node is being emptied, and the peer is to find other ways. RFC 8326. */
  readonly drained: boolean;
  /** How often our AS number is repeated, to make the route less liked. */
  readonly prepend: number;
  /** MULTI_EXIT_DISC; undefined: not sent. */
  readonly med?: number;
}

/** A prefix this node announces. */
export interface OfferedRoute {
  /** Printed: the key. */
  readonly key: string;
  readonly prefix: Prefix;
  readonly offers: readonly Offer[];
}

/** What is told to one peer about a prefix, before the session adds its own. */
export type RouteAttributes = Omit<Offer, "peers" | "advertisement">;

/** RFC 8326 section 4: carried by routes that are about to go. */
const GRACEFUL_SHUTDOWN = 0xffff0000;
/** What an iBGP route has when nothing is asked for. */
const DEFAULT_LOCAL_PREF = 100;

/**
 * What `peer` is told: the first offer's preference, and the communities of all. Undefined: nothing is offered to it.
 * @param offers In a stable order.
 */
export function attributesFor(offers: readonly Offer[], peer: string): RouteAttributes | undefined {
  const meant = offersFor(offers, peer);
  const [first] = meant;
  if (first === undefined) return undefined;
  if (meant.length === 1) return first;
  const large = new Map(
    meant.flatMap(({ largeCommunities }) => largeCommunities).map((each) => [each.join(":"), each]),
  );
  const med = meant.find((each) => each.med !== undefined)?.med;
  return {
    localPref: meant.find(({ localPref }) => localPref !== 0)?.localPref ?? 0,
    communities: [...new Set(meant.flatMap(({ communities }) => communities))].sort((a, b) => a - b),
    largeCommunities: [...large.values()].sort(compareNumbers),
    drained: meant.some(({ drained }) => drained),
    prepend: Math.max(...meant.map(({ prepend }) => prepend)),
    ...(med === undefined ? {} : { med }),
  };
}

/** Those that are made to `peer`. */
export function offersFor(offers: readonly Offer[], peer: string): readonly Offer[] {
  return offers.filter(({ peers }) => peers === "all" || peers.includes(peer));
}

/** Routes of equal text can go in one message. */
export function attributesKey(family: Family, attributes: RouteAttributes): string {
  const { localPref, communities, largeCommunities, drained, prepend, med } = attributes;
  return `${family} ${localPref} ${drained} ${prepend} ${med} ${communities.join(",")} ${largeCommunities.join(",")}`;
}

/** The session's part of the attributes. */
export interface Sender {
  readonly asn: number;
  readonly internal: boolean;
  /** True: the peer is to find other ways, since this node is about to stop. */
  readonly leaving: boolean;
}

/** The path attributes, but for what depends on the family. */
export function pathAttributes(route: RouteAttributes, { asn, internal, leaving }: Sender): BgpAttributes {
  const { localPref, prepend, med, largeCommunities } = route;
  const ending = leaving || route.drained;
  const communities = ending ? [...new Set([...route.communities, GRACEFUL_SHUTDOWN])] : route.communities;
  const path = new Array<number>(1 + prepend).fill(asn);
  return {
    origin: BgpOrigin.Igp,
    asPath: internal ? [] : [{ type: AsSegment.Sequence, asns: path }],
    ...(med === undefined ? {} : { med }),
    ...(internal ? { localPref: ending ? 0 : localPref || DEFAULT_LOCAL_PREF } : {}),
    ...(communities.length === 0 ? {} : { communities }),
    ...(largeCommunities.length === 0 ? {} : { largeCommunities }),
  };
}

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  const i = a.findIndex((value, at) => value !== b[at]);
  return i < 0 ? 0 : a[i]! - b[i]!;
}

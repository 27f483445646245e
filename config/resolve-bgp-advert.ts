import { type Family, printPrefix, rangePrefixes } from "../net/mod.ts";
import { BGP_ADVERTISEMENT, BGP_ADVERTISEMENTS, type BGPAdvertisement } from "./bgp-advertisement.ts";
import { type CommunityValue, looksLikeCommunity, parseCommunity } from "./community-value.ts";
import { announcesPool } from "./lookup.ts";
import type { BgpAdvert, Pool } from "./model.ts";
import { mayShareNode, type NodeLabels } from "./node-match.ts";
import { describeObject, type Mistake, problemsOf, type Resolved, readObject } from "./refusal.ts";
import type { Alias } from "./resolve-community.ts";
import { showValue } from "./schema.ts";

/** What an advertisement is held against. */
export interface AdvertSurroundings {
  readonly pools: readonly Pool[];
  readonly aliases: ReadonlyMap<string, Alias>;
  readonly nodes: NodeLabels;
}

/** @param older The advertisements that were there before, which stand when two contradict each other. */
export function resolveBgpAdvert(
  object: BGPAdvertisement,
  older: readonly BgpAdvert[],
  around: AdvertSurroundings,
): Resolved<BgpAdvert> {
  const read = readObject(BGP_ADVERTISEMENTS, BGP_ADVERTISEMENT, object);
  if (!read.ok) return read;
  const { name, namespace, spec } = read;
  const { ipAddressPools, ipAddressPoolSelectors, aggregationLength, aggregationLengthV6, communities, ...rest } = spec;
  const found = communities.map((text) => communityOf(text, around.aliases));
  const advert: BgpAdvert = {
    name,
    namespace,
    pools: ipAddressPools,
    poolSelectors: ipAddressPoolSelectors,
    aggregationLength: { ipv4: aggregationLength, ipv6: aggregationLengthV6 },
    communities: found.filter((value) => value !== undefined),
    ...rest,
  };
  const mistakes = [
    ...unknownAliases(communities, found),
    ...aggregationMistakes(advert, around.pools),
    ...preferenceMistakes(advert, older, around),
  ];
  return mistakes.length === 0
    ? { value: advert, problems: [] }
    : { problems: problemsOf(BGP_ADVERTISEMENTS, object, mistakes) };
}

function communityOf(text: string, aliases: ReadonlyMap<string, Alias>): CommunityValue | undefined {
  if (!looksLikeCommunity(text)) return aliases.get(text)?.value;
  const parsed = parseCommunity(text);
  return parsed.kind === "invalid" ? undefined : parsed;
}

function unknownAliases(texts: readonly string[], found: readonly (CommunityValue | undefined)[]): Mistake[] {
  return texts.flatMap((text, i) => {
    if (found[i] !== undefined) return [];
    const complaint = "no Community defines this alias; create one that does, or correct the name";
    return [{ field: `spec.communities[${i}]`, value: showValue(text), complaint, waits: true as const }];
  });
}

/** A prefix shorter than a pool's would announce addresses that are not the pool's. */
function aggregationMistakes(advert: BgpAdvert, pools: readonly Pool[]): Mistake[] {
  const fields = { ipv4: "spec.aggregationLength", ipv6: "spec.aggregationLengthV6" } as const;
  return (["ipv4", "ipv6"] as const).flatMap((family) => {
    const wanted = advert.aggregationLength[family];
    const tooSmall = pools
      .filter((pool) => announcesPool(advert, pool))
      .flatMap((pool) => smallest(pool, family, wanted));
    const [first] = tooSmall;
    if (first === undefined) return [];
    const complaint = `invalid aggregation length ${wanted}: prefix ${first.length} in this pool is more specific than the aggregation length for addresses ${first.addresses} of IPAddressPool ${first.pool}; write ${first.length} or more`;
    return [{ field: fields[family], value: showValue(wanted), complaint }];
  });
}

/** The ranges of the pool whose shortest prefix is longer than `wanted`. */
function smallest(pool: Pool, family: Family, wanted: number) {
  return pool.ranges.flatMap((range) => {
    if (range.family !== family) return [];
    const prefixes = rangePrefixes(range);
    const length = Math.min(...prefixes.map((prefix) => prefix.length));
    return length > wanted ? [{ length, addresses: prefixes.map(printPrefix).join(","), pool: pool.name }] : [];
  });
}

/** One route can have one LOCAL_PREF: advertisements that make the same route must agree on it. */
function preferenceMistakes(
  advert: BgpAdvert,
  older: readonly BgpAdvert[],
  { pools, nodes }: AdvertSurroundings,
): Mistake[] {
  const other = older.find(
    (each) =>
      each.localPref !== advert.localPref &&
      each.serviceSelectors.length === 0 &&
      advert.serviceSelectors.length === 0 &&
      sharePeers(each, advert) &&
      mayShareNode(each.nodeSelectors, advert.nodeSelectors, nodes) &&
      pools.some((pool) => announcesPool(each, pool) && announcesPool(advert, pool) && sameLength(each, advert, pool)),
  );
  if (other === undefined) return [];
  const owner = describeObject(BGP_ADVERTISEMENTS, other);
  const complaint = `invalid localpref: ${owner}, which came first, announces the same addresses with localPref ${other.localPref}; write the same in both`;
  return [{ field: "spec.localPref", value: showValue(advert.localPref), complaint }];
}

function sharePeers(a: BgpAdvert, b: BgpAdvert): boolean {
  return a.peers.length === 0 || b.peers.length === 0 || a.peers.some((peer) => b.peers.includes(peer));
}

function sameLength(a: BgpAdvert, b: BgpAdvert, pool: Pool): boolean {
  return pool.ranges.some(({ family }) => a.aggregationLength[family] === b.aggregationLength[family]);
}

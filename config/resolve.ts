import { BFD_DEFAULTS, BFD_PROFILE, BFD_PROFILES, type BFDProfile } from "./bfd-profile.ts";
import type { BGPAdvertisement } from "./bgp-advertisement.ts";
import type { BGPPeer } from "./bgp-peer.ts";
import type { Community } from "./community.ts";
import { CONFIG_KINDS, type ConfigObjects } from "./config-objects.ts";
import { L2_ADVERTISEMENT, L2_ADVERTISEMENTS, type L2Advertisement } from "./l2-advertisement.ts";
import type { BfdSettings, BgpAdvert, BgpPeer, Config, L2Advert, Problem, Remark } from "./model.ts";
import { namespaceMistakes, problemsOf, type Resolved, readObject } from "./refusal.ts";
import { resolveBgpAdvert } from "./resolve-bgp-advert.ts";
import { resolveBgpPeer } from "./resolve-bgp-peer.ts";
import { type Alias, resolveCommunity } from "./resolve-community.ts";
import { resolvePool } from "./resolve-pool.ts";
import { byAge, type CustomResource, compareText, nameOf, type ObjectMeta } from "./resource.ts";

/**
 * Reads custom resources into the configuration. An object with a mistake is left out and reported, and changes
 * nothing for the others; of objects that exclude each other the older one stands. Pure.
 */
export function resolveConfig(objects: ConfigObjects): Config {
  const { nodes, home } = objects;
  const problems: Problem[] = [];
  const remarks: Remark[] = [];
  const reading = { home, problems, remarks };
  const pools = oneByOne(CONFIG_KINDS.pools, objects.pools, reading, resolvePool);
  const l2Advertisements = oneByOne(
    CONFIG_KINDS.l2Advertisements,
    objects.l2Advertisements,
    reading,
    resolveL2Advertisement,
  );
  const communities = oneByOne<Community, ReadonlyMap<string, Alias>>(
    CONFIG_KINDS.communities,
    objects.communities,
    reading,
    (one, older) => resolveCommunity(one, aliasesOf(older)),
  );
  const aliases = aliasesOf(communities);
  const bgpAdvertisements = oneByOne<BGPAdvertisement, BgpAdvert>(
    CONFIG_KINDS.bgpAdvertisements,
    objects.bgpAdvertisements,
    reading,
    (one, older) => resolveBgpAdvert(one, older, { pools, aliases, nodes }),
  );
  const bfdProfiles = oneByOne(CONFIG_KINDS.bfdProfiles, objects.bfdProfiles, reading, resolveBfdProfile);
  const bgpPeers = oneByOne<BGPPeer, BgpPeer>(CONFIG_KINDS.bgpPeers, objects.bgpPeers, reading, (one, older) =>
    resolveBgpPeer(one, older, { bfdProfiles, nodes }),
  );
  return {
    pools: pools.sort((a, b) => compareText(a.name, b.name)),
    l2Advertisements: byName(l2Advertisements),
    bgpAdvertisements: byName(bgpAdvertisements),
    bgpPeers: byName(bgpPeers),
    bfdProfiles: byName(bfdProfiles),
    problems,
    remarks,
  };
}

/** What all kinds are read with. */
interface Reading {
  readonly home: string | undefined;
  /** Where what is found goes. */
  readonly problems: Problem[];
  readonly remarks: Remark[];
}

/** Reads the objects of a kind, oldest first, each knowing those before it; notes their problems. */
function oneByOne<Kind extends { readonly metadata?: ObjectMeta }, Model>(
  resource: CustomResource<Kind>,
  objects: readonly Kind[] = [],
  { home, problems, remarks }: Reading,
  resolve: (object: Kind, older: readonly Model[]) => Resolved<Model>,
): Model[] {
  const accepted: Model[] = [];
  for (const object of [...objects].sort(byAge)) {
    const misplaced = namespaceMistakes(object, home);
    const resolved: Resolved<Model> =
      misplaced.length > 0 ? { problems: problemsOf(resource, object, misplaced) } : resolve(object, accepted);
    if (resolved.value !== undefined) accepted.push(resolved.value);
    problems.push(...resolved.problems);
    remarks.push(...(resolved.remarks ?? []));
  }
  return accepted;
}

function resolveL2Advertisement(object: L2Advertisement): Resolved<L2Advert> {
  const read = readObject(L2_ADVERTISEMENTS, L2_ADVERTISEMENT, object);
  if (!read.ok) return read;
  const { name, namespace } = read;
  const { ipAddressPools, ipAddressPoolSelectors, ...rest } = read.spec;
  return {
    value: { name, namespace, pools: ipAddressPools, poolSelectors: ipAddressPoolSelectors, ...rest },
    problems: [],
  };
}

/** A profile that asks for them is in force all the same: a session without echo packets is better than none. */
const NO_ECHO = {
  field: "spec.echoMode",
  value: "true",
  complaint: "no echo packets are sent, and sessions run on control packets alone; remove it",
};

function resolveBfdProfile(object: BFDProfile): Resolved<BfdSettings> {
  const read = readObject(BFD_PROFILES, BFD_PROFILE, object);
  if (!read.ok) return read;
  const { name, namespace, spec } = read;
  const { receiveInterval, transmitInterval, detectMultiplier, echoInterval, minimumTtl } = BFD_DEFAULTS;
  return {
    value: {
      name,
      namespace,
      receiveInterval: spec.receiveInterval ?? receiveInterval,
      transmitInterval: spec.transmitInterval ?? transmitInterval,
      detectMultiplier: spec.detectMultiplier ?? detectMultiplier,
      echoInterval: spec.echoInterval ?? echoInterval,
      passiveMode: spec.passiveMode ?? false,
      minimumTtl: spec.minimumTtl ?? minimumTtl,
    },
    problems: [],
    remarks: spec.echoMode ? problemsOf(BFD_PROFILES, object, [NO_ECHO]) : [],
  };
}

function aliasesOf(maps: readonly ReadonlyMap<string, Alias>[]): ReadonlyMap<string, Alias> {
  return new Map(maps.flatMap((map) => [...map]));
}

function byName<T extends { readonly name: string; readonly namespace: string }>(items: T[]): T[] {
  return items.sort((a, b) => compareText(nameOf({ metadata: a }), nameOf({ metadata: b })));
}

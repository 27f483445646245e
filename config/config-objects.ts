import { BFD_PROFILES, type BFDProfile } from "./bfd-profile.ts";
import { BGP_ADVERTISEMENTS, type BGPAdvertisement } from "./bgp-advertisement.ts";
import { BGP_PEERS, type BGPPeer } from "./bgp-peer.ts";
import { COMMUNITIES, type Community } from "./community.ts";
import { IP_ADDRESS_POOLS, type IPAddressPool } from "./ip-address-pool.ts";
import { L2_ADVERTISEMENTS, type L2Advertisement } from "./l2-advertisement.ts";
import type { NodeLabels } from "./node-match.ts";

/** The objects that make the configuration, as the API server holds them. */
export interface ConfigObjects {
  readonly pools: readonly IPAddressPool[];
  readonly l2Advertisements: readonly L2Advertisement[];
  readonly bgpAdvertisements?: readonly BGPAdvertisement[];
  readonly bgpPeers?: readonly BGPPeer[];
  readonly bfdProfiles?: readonly BFDProfile[];
  readonly communities?: readonly Community[];
  /** Labels of the nodes in question: those of one node tell what is wrong on that node. Absent: not known. */
  readonly nodes?: NodeLabels;
  /** The namespace of Ironbridge, to which its configuration belongs. Absent: every namespace will do. */
  readonly home?: string | undefined;
}

/** The kind of the objects in each list. */
export const CONFIG_KINDS = {
  pools: IP_ADDRESS_POOLS,
  l2Advertisements: L2_ADVERTISEMENTS,
  bgpAdvertisements: BGP_ADVERTISEMENTS,
  bgpPeers: BGP_PEERS,
  bfdProfiles: BFD_PROFILES,
  communities: COMMUNITIES,
} as const;

export type ConfigList = keyof typeof CONFIG_KINDS;
export const CONFIG_LISTS = Object.keys(CONFIG_KINDS) as readonly ConfigList[];

/** The type of the objects in a list. */
export type ConfigObjectOf<List extends ConfigList> = NonNullable<(typeof CONFIG_KINDS)[List]["type"]>;

/** Where the objects of each kind are kept. */
export type ConfigLists = { readonly [List in ConfigList]: { list(): readonly ConfigObjectOf<List>[] } };

/** What the lists hold now. */
export function configObjects(lists: ConfigLists, around: Pick<ConfigObjects, "nodes" | "home">): ConfigObjects {
  return {
    pools: lists.pools.list(),
    l2Advertisements: lists.l2Advertisements.list(),
    bgpAdvertisements: lists.bgpAdvertisements.list(),
    bgpPeers: lists.bgpPeers.list(),
    bfdProfiles: lists.bfdProfiles.list(),
    communities: lists.communities.list(),
    ...around,
  };
}

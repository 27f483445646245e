import {
  BFD_PROFILES,
  type BFDProfile,
  BGP_ADVERTISEMENTS,
  BGP_PEERS,
  type BGPAdvertisement,
  type BGPPeer,
  COMMUNITIES,
  type Community,
  type Condition,
  type ConfigObjects,
  IP_ADDRESS_POOLS,
  type IPAddressPool,
  L2_ADVERTISEMENTS,
  type L2Advertisement,
} from "../config/mod.ts";
import type { KubeObject, Resource, Store, V1Node } from "../kube/mod.ts";

/** Everything that configuration is made of. */
export interface ConfigStores {
  readonly pools: Store<IPAddressPool>;
  readonly l2Advertisements: Store<L2Advertisement>;
  readonly bgpAdvertisements: Store<BGPAdvertisement>;
  readonly bgpPeers: Store<BGPPeer>;
  readonly bfdProfiles: Store<BFDProfile>;
  readonly communities: Store<Community>;
  /** Their labels tell which BGP peers meet on a node. */
  readonly nodes: Store<V1Node>;
}

/** A configuration object of any kind, as far as the controller treats all kinds alike. */
export interface ConfigObject extends KubeObject {
  readonly spec?: unknown;
  readonly status?: { readonly conditions?: readonly Condition[] | undefined } | undefined;
}

export interface ConfigKind {
  readonly resource: Resource<ConfigObject>;
  readonly store: Store<ConfigObject>;
}

/** Each kind of configuration object with its store. */
export function configKinds(stores: ConfigStores): readonly ConfigKind[] {
  return [
    { resource: IP_ADDRESS_POOLS, store: stores.pools },
    { resource: L2_ADVERTISEMENTS, store: stores.l2Advertisements },
    { resource: BGP_ADVERTISEMENTS, store: stores.bgpAdvertisements },
    { resource: BGP_PEERS, store: stores.bgpPeers },
    { resource: BFD_PROFILES, store: stores.bfdProfiles },
    { resource: COMMUNITIES, store: stores.communities },
  ];
}

/** What the stores hold now. */
export function configObjects(stores: ConfigStores): ConfigObjects {
  return {
    pools: stores.pools.list(),
    l2Advertisements: stores.l2Advertisements.list(),
    bgpAdvertisements: stores.bgpAdvertisements.list(),
    bgpPeers: stores.bgpPeers.list(),
    bfdProfiles: stores.bfdProfiles.list(),
    communities: stores.communities.list(),
    nodes: stores.nodes.list().map(({ metadata }) => metadata?.labels ?? {}),
  };
}

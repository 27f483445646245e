import {
  type BFDProfile,
  type BGPAdvertisement,
  type BGPPeer,
  CONFIG_KINDS,
  CONFIG_LISTS,
  type Community,
  type Condition,
  type ConfigObjects,
  configObjects,
  type IPAddressPool,
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
  /** The namespace of Ironbridge, to which its configuration belongs. Absent: every namespace will do. */
  readonly home?: string | undefined;
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
  return CONFIG_LISTS.map((list) => ({ resource: CONFIG_KINDS[list], store: stores[list] }));
}

/** What the stores hold now. */
export function readStores(stores: ConfigStores): ConfigObjects {
  const nodes = stores.nodes.list().map(({ metadata }) => metadata?.labels ?? {});
  return configObjects(stores, { nodes, home: stores.home });
}

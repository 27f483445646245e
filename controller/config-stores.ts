import {
  CONFIG_KINDS,
  CONFIG_LISTS,
  type Condition,
  type ConfigList,
  type ConfigObjectOf,
  type ConfigObjects,
  configObjects,
} from "../config/mod.ts";
import type { KubeObject, Resource, Store, V1Node } from "../kube/mod.ts";

/** A store for each kind of configuration object. */
type KindStores = { readonly [List in ConfigList]: Store<ConfigObjectOf<List>> };

/** Everything that configuration is made of. */
export interface ConfigStores extends KindStores {
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

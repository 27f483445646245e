import { type Config, type IPAddressPool, type L2Advertisement, resolveConfig } from "../config/mod.ts";
import { type Change, objectKey, type Store, type V1EndpointSlice, type V1Service } from "../kube/mod.ts";
import { factsOf, type ServiceFacts } from "./decide.ts";

export interface ServiceStores {
  readonly services: Store<V1Service>;
  /** Needs an index "service": namespace/name of the Service a slice belongs to. */
  readonly slices: Store<V1EndpointSlice>;
  readonly pools: Store<IPAddressPool>;
  readonly l2Advertisements: Store<L2Advertisement>;
}

const SERVICE_NAME = "kubernetes.io/service-name";

/** The facts of every Service with an address, worked out anew only for what changed. */
export class ServiceView {
  readonly #stores: ServiceStores;
  readonly #facts = new Map<string, ServiceFacts>();
  readonly #dirty = new Set<string>();
  #config: Config | undefined;

  /** @param onDirty Called when refresh() would find something to do. */
  constructor(stores: ServiceStores, onDirty: () => void, signal: AbortSignal) {
    this.#stores = stores;
    const touch = (key: string | undefined) => {
      if (key === undefined) return;
      this.#dirty.add(key);
      onDirty();
    };
    const forgetConfig = () => {
      this.#config = undefined;
      onDirty();
    };
    const stops = [
      stores.services.subscribe(({ key }) => touch(key)),
      stores.slices.subscribe((change) => touch(serviceOf(change))),
      stores.pools.subscribe(forgetConfig),
      stores.l2Advertisements.subscribe(forgetConfig),
    ];
    const stop = () => {
      for (const each of stops) each();
    };
    signal.addEventListener("abort", stop, { once: true });
  }

  /** By namespace/name; call refresh() first. */
  get facts(): ReadonlyMap<string, ServiceFacts> {
    return this.#facts;
  }

  refresh(): void {
    const { services, pools, l2Advertisements } = this.#stores;
    if (this.#config === undefined) {
      this.#config = resolveConfig({ pools: pools.list(), l2Advertisements: l2Advertisements.list() });
      for (const service of services.list()) this.#dirty.add(objectKey(service));
    }
    for (const key of this.#dirty) this.#work(key, this.#config);
    this.#dirty.clear();
  }

  #work(key: string, config: Config): void {
    const service = this.#stores.services.get(key);
    const facts = service && factsOf(service, this.#stores.slices.byIndex("service", key), config);
    if (facts === undefined) this.#facts.delete(key);
    else this.#facts.set(key, facts);
  }
}

function serviceOf({ before, after }: Change<V1EndpointSlice>): string | undefined {
  const { namespace, labels } = (after ?? before)?.metadata ?? {};
  const name = labels?.[SERVICE_NAME];
  return name === undefined ? undefined : `${namespace}/${name}`;
}

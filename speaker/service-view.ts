import type { IPAddressPool, L2Advertisement } from "../config/mod.ts";
import { type Change, objectKey, type Store, type V1EndpointSlice, type V1Service } from "../kube/mod.ts";
import { advertOptionsOf } from "./advert-options.ts";
import { factsOf, type ServiceFacts, type SpeakerConfig } from "./decide.ts";
import { LastGood } from "./last-good.ts";

export interface ServiceStores {
  readonly services: Store<V1Service>;
  /** Needs an index "service": namespace/name of the Service a slice belongs to. */
  readonly slices: Store<V1EndpointSlice>;
  readonly pools: Store<IPAddressPool>;
  readonly l2Advertisements: Store<L2Advertisement>;
  /** The namespace of Ironbridge, to which its configuration belongs. Absent: every namespace will do. */
  readonly home?: string | undefined;
}

const ANSWER_ECHO = "ironbridge.io/answer-echo";
const SERVICE_NAME = "kubernetes.io/service-name";

/** The facts of every Service with an address, worked out anew only for what changed. */
export class ServiceView {
  readonly #stores: ServiceStores;
  readonly #facts = new Map<string, ServiceFacts>();
  readonly #dirty = new Set<string>();
  readonly #lastGood = new LastGood();
  #config: SpeakerConfig | undefined;
  #problems: readonly string[] = [];

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

  /** A sentence for each mistake in the configuration. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  refresh(): void {
    if (this.#config === undefined) {
      this.#config = this.#readConfig();
      for (const service of this.#stores.services.list()) this.#dirty.add(objectKey(service));
    }
    for (const key of this.#dirty) this.#work(key, this.#config);
    this.#dirty.clear();
  }

  #readConfig(): SpeakerConfig {
    const { pools, l2Advertisements, home } = this.#stores;
    const { config, objects } = this.#lastGood.resolve({
      pools: pools.list(),
      l2Advertisements: l2Advertisements.list(),
      home,
    });
    const read = objects.l2Advertisements.map((each) => ({ key: objectKey(each), ...advertOptionsOf(each) }));
    this.#problems = [...config.problems.map(({ message }) => message), ...read.flatMap(({ problems }) => problems)];
    const echoPools = new Set(objects.pools.filter(answersEcho).map(({ metadata }) => metadata?.name ?? ""));
    return { ...config, advertOptions: new Map(read.map(({ key, options }) => [key, options])), echoPools };
  }

  #work(key: string, config: SpeakerConfig): void {
    const service = this.#stores.services.get(key);
    const facts = service && factsOf(service, this.#stores.slices.byIndex("service", key), config);
    if (facts === undefined) this.#facts.delete(key);
    else this.#facts.set(key, facts);
  }
}

/** Asked for by `ironbridge.io/answer-echo: "true"` on the pool. */
function answersEcho({ metadata }: IPAddressPool): boolean {
  return metadata?.annotations?.[ANSWER_ECHO] === "true";
}

function serviceOf({ before, after }: Change<V1EndpointSlice>): string | undefined {
  const { namespace, labels } = (after ?? before)?.metadata ?? {};
  const name = labels?.[SERVICE_NAME];
  return name === undefined ? undefined : `${namespace}/${name}`;
}

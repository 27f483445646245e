import {
  objectKey,
  type Store,
  type V1EndpointSlice,
  type V1Node,
  type V1Service,
  type V1ServiceCIDR,
} from "../kube/mod.ts";
import { loadBalancerAddresses, serviceKeyOf } from "./desired.ts";
import { addressesOf, zoneOf } from "./surroundings.ts";

const TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time";

export interface ProxyStores {
  readonly services: Store<V1Service>;
  /** Started with SLICE_INDEXES. */
  readonly slices: Store<V1EndpointSlice>;
  readonly nodes: Store<V1Node>;
  /** Absent where nobody wants to know. */
  readonly cidrs?: Store<V1ServiceCIDR>;
}

/** What changed since the last time somebody took it. */
export interface Batch {
  /** Keys of the Services whose rules must be looked at again. */
  readonly services: Set<string>;
  /** When the endpoints' changes were made, by the word of their slices; milliseconds since 1970. */
  readonly triggers: number[];
  surroundingsChanged: boolean;
}

/** Collects what the stores say until the next sync takes it. */
export class Backlog {
  readonly #stores: ProxyStores;
  readonly #node: string;
  #batch: Batch = emptyBatch();

  /** @param onChange Called after anything was added. */
  constructor(stores: ProxyStores, node: string, onChange: () => void, signal: AbortSignal) {
    this.#stores = stores;
    this.#node = node;
    const stops = [
      stores.services.subscribe(({ key }) => {
        this.#batch.services.add(key);
        onChange();
      }),
      stores.slices.subscribe(({ before, after }) => {
        this.#addSlice(before, after);
        onChange();
      }),
      stores.nodes.subscribe(({ key, before, after }) => {
        if (this.#addNode(key, before, after)) onChange();
      }),
      stores.cidrs?.subscribe(() => {
        this.addSurroundings();
        onChange();
      }),
    ];
    signal.addEventListener(
      "abort",
      () => {
        for (const stop of stops) stop?.();
      },
      { once: true },
    );
  }

  has(key: string): boolean {
    return this.#batch.services.has(key);
  }

  take(): Batch {
    const batch = this.#batch;
    this.#batch = emptyBatch();
    return batch;
  }

  /** What was taken could not be done. */
  giveBack(batch: Batch): void {
    for (const key of batch.services) this.#batch.services.add(key);
    this.#batch.triggers.unshift(...batch.triggers);
    this.#batch.surroundingsChanged ||= batch.surroundingsChanged;
  }

  /** Where node ports are open, or cluster IPs are given from, may have changed. */
  addSurroundings(): void {
    this.#batch.surroundingsChanged = true;
  }

  addEverything(): void {
    for (const service of this.#stores.services.list()) this.#batch.services.add(objectKey(service));
    this.#batch.surroundingsChanged = true;
  }

  #addSlice(before: V1EndpointSlice | undefined, after: V1EndpointSlice | undefined): void {
    for (const slice of [before, after]) {
      const key = slice && serviceKeyOf(slice);
      if (key !== undefined) this.#batch.services.add(key);
    }
    const trigger = triggerOf(after);
    if (trigger !== undefined && trigger !== triggerOf(before)) this.#batch.triggers.push(trigger);
  }

  /** Most of what is heard of nodes is of no interest here. */
  #addNode(key: string, before: V1Node | undefined, after: V1Node | undefined): boolean {
    const changed = differences(addressesOf(before), addressesOf(after));
    const isOwn = key === this.#node;
    const podCidrs = (each: V1Node | undefined) => each?.spec?.podCIDRs?.join();
    const isMoved = isOwn && (zoneOf(before) !== zoneOf(after) || podCidrs(before) !== podCidrs(after));
    if (changed.size === 0 && !isMoved) return false;
    if (isOwn) {
      this.addEverything();
      return true;
    }
    // Only where load balancers lend out nodes' own addresses does another node's address matter.
    this.#batch.surroundingsChanged = true;
    for (const service of this.#stores.services.list()) {
      if (loadBalancerAddresses(service).some((address) => changed.has(address)))
        this.#batch.services.add(objectKey(service));
    }
    return true;
  }
}

function emptyBatch(): Batch {
  return { services: new Set(), triggers: [], surroundingsChanged: false };
}

function triggerOf(slice: V1EndpointSlice | undefined): number | undefined {
  const text = slice?.metadata?.annotations?.[TRIGGER_TIME];
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

/** What is in one list and not in the other. */
function differences(a: readonly string[], b: readonly string[]): Set<string> {
  return new Set([...a.filter((text) => !b.includes(text)), ...b.filter((text) => !a.includes(text))]);
}

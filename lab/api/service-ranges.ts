import {
  type Family,
  parsePrefix,
  prefixRange,
  printAddress,
  type Range,
  rangeContains,
  tryParseAddress,
} from "../../net/mod.ts";
import { type ApiObject, at, listAt, numberAt, textsAt } from "./json.ts";
import { Refusal } from "./refusal.ts";
import { storageName } from "./resource.ts";
import type { ApiStore, StoreEvent } from "./store.ts";

export const NODE_PORT_FIRST = 30000;
export const NODE_PORT_LAST = 32767;
/** The low end of both ranges is left to those who choose a value by hand (KEP-3070, KEP-3668). */
const STATIC_ADDRESSES = 256n;
const STATIC_PORTS = 86;
/** Where ServiceCIDRs are stored. */
const STORAGE = storageName({ group: "networking.k8s.io", plural: "servicecidrs" });

/** Which Service holds which cluster address and node port: always what the stored Services say. */
export class ServiceRanges {
  readonly #ranges: readonly Range[];
  /** What ServiceCIDRs name, by their names: addresses in there are for those who choose them by hand. */
  readonly #named = new Map<string, readonly Range[]>();
  /** Address or node port -> "namespace/name". */
  readonly #addresses = new Map<string, string>();
  readonly #ports = new Map<number, string>();
  /** Where the next search starts, so that a freed value is not given out again at once. */
  readonly #nextAddress = new Map<Family, bigint>();
  #nextPort = NODE_PORT_FIRST + STATIC_PORTS;

  /** @param cidrs One prefix for each address family; the first one is the default family. */
  constructor(store: ApiStore, cidrs: readonly string[]) {
    this.#ranges = cidrs.map((cidr) => prefixRange(parsePrefix(cidr)));
    store.onWrite((storage, event) => {
      if (storage === STORAGE) this.#follow(event);
      if (storage !== "services") return;
      if (event.before !== undefined) this.#release(event.before.object);
      if (event.type !== "DELETED") this.#claim(event.after.object);
    });
  }

  /** The address families there are, the default one first. */
  get families(): readonly Family[] {
    return this.#ranges.map(({ family }) => family);
  }

  holderOfAddress(address: string): string | undefined {
    return this.#addresses.get(address);
  }

  holderOfPort(port: number): string | undefined {
    return this.#ports.get(port);
  }

  contains(address: string): boolean {
    const parsed = tryParseAddress(address);
    const ranges = [...this.#ranges, ...[...this.#named.values()].flat()];
    return parsed !== undefined && ranges.some((range) => rangeContains(range, parsed));
  }

  /** A free address; it is held once a Service that has it is stored. */
  freeAddress(family: Family): string {
    const range = this.#ranges.find((one) => one.family === family);
    if (range === undefined) throw exhausted(`there is no ${family} service range`);
    const size = range.last - range.first + 1n;
    const start = this.#nextAddress.get(family) ?? range.first + (size > STATIC_ADDRESSES * 2n ? STATIC_ADDRESSES : 1n);
    for (let step = 0n; step < size; step++) {
      const value = range.first + ((start - range.first + step) % size);
      const address = printAddress({ family, value });
      // Neither the network nor the broadcast address is given out.
      if (value === range.first || value === range.last || this.#addresses.has(address)) continue;
      this.#nextAddress.set(family, value + 1n);
      return address;
    }
    throw exhausted(`the ${family} service range is full`);
  }

  /** A free node port that is not one of `taken`; it is held once a Service that has it is stored. */
  freePort(taken: ReadonlySet<number>): number {
    const size = NODE_PORT_LAST - NODE_PORT_FIRST + 1;
    for (let step = 0; step < size; step++) {
      const port = NODE_PORT_FIRST + ((this.#nextPort - NODE_PORT_FIRST + step) % size);
      if (this.#ports.has(port) || taken.has(port)) continue;
      this.#nextPort = port + 1;
      return port;
    }
    throw exhausted("the node port range is full");
  }

  #follow(event: StoreEvent): void {
    if (event.before !== undefined) this.#named.delete(event.before.object.metadata.name);
    if (event.type === "DELETED") return;
    const { object } = event.after;
    this.#named.set(
      object.metadata.name,
      textsAt(object, "spec", "cidrs").map((cidr) => prefixRange(parsePrefix(cidr))),
    );
  }

  #claim(service: ApiObject): void {
    const key = `${service.metadata.namespace}/${service.metadata.name}`;
    for (const address of addressesOf(service)) this.#addresses.set(address, key);
    for (const port of nodePortsOf(service)) this.#ports.set(port, key);
  }

  #release(service: ApiObject): void {
    for (const address of addressesOf(service)) this.#addresses.delete(address);
    for (const port of nodePortsOf(service)) this.#ports.delete(port);
  }
}

function addressesOf(service: ApiObject): readonly string[] {
  return textsAt(service, "spec", "clusterIPs").filter((address) => address !== "None");
}

/** Every node port a Service uses, that of its health check included. */
export function nodePortsOf(service: ApiObject): readonly number[] {
  const ports = listAt(service, "spec", "ports").map((port) => at(port, "nodePort"));
  return [...ports, numberAt(service, "spec", "healthCheckNodePort")].filter(
    (port): port is number => typeof port === "number" && port !== 0,
  );
}

function exhausted(why: string): Refusal {
  return new Refusal(500, "InternalError", `Internal error occurred: failed to allocate: ${why}`);
}

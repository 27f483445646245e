import type { Flow } from "../linux/mod.ts";
import { type Address, type Family, printAddress } from "../net/mod.ts";
import { familyOf } from "./canonical.ts";
import type { ServicePort } from "./service-port.ts";

/** For each "address port" that a UDP Service is or was reached at: who may answer, in the same spelling. */
type Answerers = ReadonlyMap<string, ReadonlySet<string>>;

const NOBODY: ReadonlySet<string> = new Set();

/**
 * Which UDP flows the kernel must forget. A flow goes on to the endpoint it began with as long as packets come, even if
 * that endpoint is gone, and a flow that began when there was no endpoint goes on to nowhere.
 * Pure bookkeeping: only what changed since the last take() is looked for.
 */
export class StaleFlows {
  readonly #answerers = new Map<string, Answerers>();
  #changed = new Map<string, ReadonlySet<string>>();

  /** From now on the Service `key` has `ports`; node ports are at `nodeAddresses`. */
  replace(key: string, ports: readonly ServicePort[], nodeAddresses: readonly string[]): void {
    const before: Answerers = this.#answerers.get(key) ?? new Map();
    const after = answerersOf(ports, nodeAddresses);
    for (const front of before.keys()) {
      if (!after.has(front)) this.#changed.set(front, NOBODY);
    }
    for (const [front, answerers] of after) {
      const known = before.get(front);
      if (known === undefined || !isSame(known, answerers)) this.#changed.set(front, answerers);
    }
    if (after.size === 0) this.#answerers.delete(key);
    else this.#answerers.set(key, after);
  }

  get any(): boolean {
    return this.#changed.size > 0;
  }

  /** What changed since the last call. */
  take(): Answerers {
    const changed = this.#changed;
    this.#changed = new Map();
    return changed;
  }

  /** What was taken could not be done. */
  giveBack(taken: Answerers): void {
    this.#changed = new Map([...taken, ...this.#changed]);
  }
}

/** True when the kernel would send `flow` to somebody who is no endpoint of the Service it was meant for. */
export function isStale({ original, reply }: Flow, changed: Answerers): boolean {
  const answerers = changed.get(printEnd(original.destination, original.destinationPort));
  return answerers !== undefined && !answerers.has(printEnd(reply.source, reply.sourcePort));
}

/** The ports that `changed` is about, for each family what a listing of the kernel's must cover. */
export function portsOf(changed: Answerers, family: Family): Set<number> {
  const fronts = [...changed.keys()].filter((front) => familyOf(front) === family);
  return new Set(fronts.map((front) => Number(front.slice(front.indexOf(" ") + 1))));
}

function printEnd(address: Address, port: number): string {
  return `${printAddress(address)} ${port}`;
}

function answerersOf(ports: readonly ServicePort[], nodeAddresses: readonly string[]): Answerers {
  const answerers = new Map<string, ReadonlySet<string>>();
  for (const port of ports.filter(({ protocol }) => protocol === "udp")) {
    const serving = new Set(port.serving.map((target) => `${target.address} ${target.port}`));
    for (const address of [port.clusterIp, ...port.externalIps, ...port.loadBalancerIps]) {
      answerers.set(`${address} ${port.port}`, serving);
    }
    if (port.nodePort === 0) continue;
    const ofFamily = nodeAddresses.filter((address) => familyOf(address) === port.family);
    for (const address of ofFamily) answerers.set(`${address} ${port.nodePort}`, serving);
  }
  return answerers;
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((item) => b.has(item));
}

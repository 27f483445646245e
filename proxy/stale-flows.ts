import type { Flow } from "../linux/mod.ts";
import { type Address, type Family, printAddress } from "../net/mod.ts";
import { familyOf } from "./canonical.ts";
import type { ServicePort } from "./service-port.ts";

/** For each "address port" that a UDP Service is or was reached at: who may answer, in the same spelling. */
type Answerers = ReadonlyMap<string, ReadonlySet<string>>;

const NOBODY: ReadonlySet<string> = new Set();

/** Who was removed from one "address port", and until when flows may go on to them all the same. */
interface Leaving {
  /** Key of the Service. */
  readonly key: string;
  readonly until: Map<string, number>;
}

/**
 * Which UDP flows the kernel must forget. A flow goes on to the endpoint it began with as long as packets come, even if
 * that endpoint is gone, and a flow that began when there was no endpoint goes on to nowhere.
 * Pure bookkeeping: only what changed since the last take() is looked for. Times are milliseconds of any one clock.
 */
export class StaleFlows {
  readonly #answerers = new Map<string, Answerers>();
  readonly #leaving = new Map<string, Leaving>();
  #changed = new Map<string, ReadonlySet<string>>();

  /** From now on the Service `key` has `ports`; node ports are at `nodeAddresses`. */
  replace(key: string, ports: readonly ServicePort[], nodeAddresses: readonly string[], now: number): void {
    const before: Answerers = this.#answerers.get(key) ?? new Map();
    const after = answerersOf(ports, nodeAddresses);
    const drain = ports.find(({ protocol }) => protocol === "udp")?.drain ?? 0;
    for (const front of before.keys()) {
      if (after.has(front)) continue;
      this.#leaving.delete(front);
      this.#changed.set(front, NOBODY);
    }
    for (const [front, answerers] of after) {
      const known = before.get(front);
      if (known !== undefined && isSame(known, answerers)) continue;
      const gone = [...(known ?? NOBODY)].filter((answerer) => !answerers.has(answerer));
      if (drain > 0 && gone.length > 0) this.#letLeave(key, front, gone, now + drain);
      this.#changed.set(front, this.#withLeaving(front, answerers));
    }
    if (after.size === 0) this.#answerers.delete(key);
    else this.#answerers.set(key, after);
  }

  get any(): boolean {
    return this.#changed.size > 0;
  }

  /** When flows must be looked at again though nothing has changed; undefined: not at all. */
  get nextLeave(): number | undefined {
    const times = [...this.#leaving.values()].flatMap(({ until }) => [...until.values()]);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** What changed since the last call. */
  take(now: number): Answerers {
    for (const [front, { key, until }] of this.#leaving) {
      const over = [...until].filter(([, time]) => time <= now);
      for (const [answerer] of over) until.delete(answerer);
      if (until.size === 0) this.#leaving.delete(front);
      if (over.length > 0) this.#changed.set(front, this.#withLeaving(front, this.#answerers.get(key)?.get(front)));
    }
    const changed = this.#changed;
    this.#changed = new Map();
    return changed;
  }

  /** What was taken could not be done. */
  giveBack(taken: Answerers): void {
    this.#changed = new Map([...taken, ...this.#changed]);
  }

  #letLeave(key: string, front: string, gone: readonly string[], until: number): void {
    const leaving = this.#leaving.get(front) ?? { key, until: new Map() };
    for (const answerer of gone) leaving.until.set(answerer, until);
    this.#leaving.set(front, leaving);
  }

  #withLeaving(front: string, answerers: ReadonlySet<string> = NOBODY): ReadonlySet<string> {
    const leaving = this.#leaving.get(front);
    return leaving === undefined ? answerers : new Set([...answerers, ...leaving.until.keys()]);
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

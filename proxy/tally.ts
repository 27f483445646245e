import type { V1Service } from "../kube/mod.ts";
import type { Count } from "./backend.ts";

/** The connections to one port of one Service, of all address families and frontends. */
export interface PortConnections {
  readonly namespace: string;
  readonly service: string;
  /** The port's name, or its number where it has none. */
  readonly port: string;
  readonly connections: number;
}

/** Adds up the kernel's counters, which begin anew whenever their rules are written again. Pure bookkeeping. */
export class Tally {
  #read = new Map<string, number>();
  #sums = new Map<string, PortConnections>();

  /** Takes note of what all counters say now. A port that no counter speaks of any more is forgotten. */
  add(counts: readonly Count[], serviceOf: (key: string) => V1Service | undefined): void {
    const read = new Map<string, number>();
    const sums = new Map<string, PortConnections>();
    for (const count of counts) {
      const before = this.#read.get(count.key) ?? 0;
      read.set(count.key, count.connections);
      const port = portName(count, serviceOf(count.service));
      if (port === undefined) continue;
      const id = `${count.service}:${port}`;
      const [namespace = "", service = ""] = count.service.split("/");
      const sum = (sums.get(id) ?? this.#sums.get(id))?.connections ?? 0;
      const more = count.connections < before ? count.connections : count.connections - before;
      sums.set(id, { namespace, service, port, connections: sum + more });
    }
    this.#read = read;
    this.#sums = sums;
  }

  /** Ports that were never connected to are left out. */
  sums(): PortConnections[] {
    return [...this.#sums.values()].filter(({ connections }) => connections > 0);
  }
}

function portName({ front, port, protocol }: Count, service: V1Service | undefined): string | undefined {
  const found = service?.spec?.ports?.find(
    (each) =>
      (each.protocol ?? "TCP").toLowerCase() === protocol &&
      (front === "nodeport" ? each.nodePort : each.port) === port,
  );
  return found && (found.name ?? String(found.port));
}

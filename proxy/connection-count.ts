import { type Clock, explainError, type Log } from "../core/mod.ts";
import type { V1Service } from "../kube/mod.ts";
import type { Backend, Counts, PacketKind } from "./backend.ts";
import { type PortConnections, Tally } from "./tally.ts";

export interface ConnectionCountOptions {
  readonly backends: () => readonly Backend[];
  readonly service: (key: string) => V1Service | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Reading may take one part in this many of the time: it holds up what is to be written. */
const SHARE = 20;

/** Reads the kernel's counters of connections when somebody wants to know, and not oftener than is cheap. */
export class ConnectionCount {
  readonly #options: ConnectionCountOptions;
  readonly #tally = new Tally();
  #again = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  /** What the backends said last of packets. */
  #packets: readonly Counts["packets"][] = [];

  constructor(options: ConnectionCountOptions) {
    this.#options = options;
  }

  /** What the last reading said, a new one where that is due. One that fails is logged and tried again next time. */
  async read(): Promise<readonly PortConnections[]> {
    const { clock, log } = this.#options;
    if (this.#reading === undefined && clock.now() >= this.#again) {
      const start = clock.now();
      this.#reading = this.#add().catch((error: unknown) =>
        log.warn(
          { event: "proxy.count.failed", error: explainError(error) },
          "could not read the count of connections",
        ),
      );
      await this.#reading;
      this.#reading = undefined;
      this.#again = clock.now() + SHARE * (clock.now() - start);
    }
    await this.#reading;
    return this.#tally.sums();
  }

  /** The same of packets, both families together. */
  async packets(kind: PacketKind): Promise<number> {
    await this.read();
    return this.#packets.reduce((sum, counted) => sum + (counted?.[kind] ?? 0), 0);
  }

  async #add(): Promise<void> {
    const { backends, service } = this.#options;
    const read = await Promise.all(
      backends().map(async (backend) => ({ family: backend.family, counts: await backend.counts() })),
    );
    const connections = read.flatMap(({ family, counts }) =>
      counts.connections.map((count) => ({ ...count, key: `${family} ${count.key}` })),
    );
    this.#packets = read.map(({ counts }) => counts.packets);
    this.#tally.add(connections, service);
  }
}

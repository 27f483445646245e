import type { Clock } from "../../core/mod.ts";
import { type Address, Afi, endOfRib, type Family, type Prefix, printPrefix, SAFI_UNICAST } from "../../net/mod.ts";
import type { Agreement } from "./agreement.ts";
import type { Connection } from "./connection.ts";
import type { Counts, PeerSettings, PeerStatus } from "./message.ts";
import { type RibChange, RibOut } from "./rib-out.ts";
import { attributesFor, type OfferedRoute } from "./route.ts";
import { writeUpdates } from "./update-writer.ts";

export interface TellingPorts {
  readonly clock: Clock;
  readonly counts: Counts;
  /** What routes of each family are to point at, for a session from `local`. */
  readonly nextHops: (local: Address, extendedNextHop: boolean) => Readonly<Record<Family, readonly Address[]>>;
  readonly onChange: () => void;
  readonly onLog: (level: "info" | "warn", event: string, fields: object, message: string) => void;
}

/** Octets that may wait for a peer; the rest of the routes stays where it costs nothing. */
const MOST_BACKLOG = 128 * 1024;
/** Routes that are written in one go, so that other peers, and BFD, get their turn. */
const ROUTES_AT_ONCE = 500;
/** Routes that are named, of those that are too long; the others are like them. */
const MOST_NAMED = 20;

/** An established session. */
interface Listener {
  readonly connection: Connection;
  readonly agreement: Agreement;
  readonly nextHops: Readonly<Record<Family, readonly Address[]>>;
}

/** What one peer is told of this node's routes: as fast as it listens, and when it is all. */
export class Telling {
  readonly #peer: Pick<PeerSettings, "name" | "asn">;
  readonly #ports: TellingPorts;
  readonly #rib = new RibOut();
  #listener: Listener | undefined;
  #settled = false;
  /** More of the routes are written in a moment. */
  #flushing = false;
  #leaving = false;
  #restarted = true;
  /** Routes that no message to this peer has room for. */
  readonly #tooLong = new Set<string>();
  /** Families whose end the peer has yet to be told, and the message that says it. */
  #ends = new Map<Family, "endOfRib" | "refreshEnd">();

  constructor(peer: Pick<PeerSettings, "name" | "asn">, ports: TellingPorts) {
    this.#peer = peer;
    this.#ports = ports;
  }

  /** True until the peer was told all routes once. */
  get restarted(): boolean {
    return this.#restarted;
  }

  /** Number of routes the peer knows. */
  get told(): number {
    return this.#listener === undefined ? 0 : this.#rib.told - this.#tooLong.size;
  }

  /** Number of routes it has yet to be told of. */
  get pending(): number {
    return this.#rib.pending;
  }

  set({ key, prefix, offers }: OfferedRoute): void {
    this.#rib.set(key, prefix, attributesFor(offers, this.#peer.name));
  }

  remove({ key, prefix }: Pick<OfferedRoute, "key" | "prefix">): void {
    this.#rib.set(key, prefix, undefined);
  }

  /** The session is up: the peer knows nothing yet. */
  start(connection: Connection, agreement: Agreement, local: Address): void {
    const nextHops = this.#ports.nextHops(local, agreement.extendedNextHop);
    this.#listener = { connection, agreement, nextHops };
    this.#rib.reset();
    this.#tooLong.clear();
    this.#ends = new Map(agreement.families.map((family) => [family, "endOfRib"]));
    this.#warnOfMissingNextHops(this.#listener);
    this.flush();
  }

  /** The session is lost. */
  stop(): void {
    this.#listener = undefined;
  }

  /** All routes of this node are known now. */
  settle(): void {
    this.#settled = true;
    this.flush();
  }

  /** Tells the peer to look for other ways, while the routes still work. RFC 8326. */
  leave(): void {
    this.#leaving = true;
    if (this.#listener === undefined) return;
    this.#rib.resend(this.#listener.agreement.families);
    this.flush();
  }

  /** RFC 2918, RFC 7313. A request that says its own beginning or end is not for us: we take no routes by it. */
  refresh({ afi, safi, subtype }: { afi: number; safi: number; subtype: number }): void {
    const { connection, agreement } = this.#listener ?? {};
    const family = agreement?.families.find((each) => Afi[each] === afi);
    if (family === undefined || safi !== SAFI_UNICAST || subtype !== 0) return;
    if (agreement?.enhancedRefresh) {
      connection?.send({ type: "routeRefresh", refresh: { afi, safi, subtype: 1 } });
      if (this.#ends.get(family) === undefined) this.#ends.set(family, "refreshEnd");
    }
    this.#rib.resend([family]);
    this.flush();
  }

  /** Sends what changed, as far as the peer takes it. */
  flush(): void {
    const listener = this.#listener;
    const transport = listener?.connection.transport;
    if (listener === undefined || transport === undefined) return;
    const hasRoom = () => this.#rib.pending > 0 && transport.backlog < MOST_BACKLOG;
    if (hasRoom()) this.#writeSome(listener);
    if (hasRoom()) this.#flushLater();
    if (this.#rib.pending === 0 && this.#settled) this.#sendEnds(listener.connection);
    this.#ports.onChange();
  }

  /** The routes that no message of at most `octets` has room for; undefined: there is none. */
  tooLong(octets: number): PeerStatus["tooLong"] {
    if (this.#tooLong.size === 0) return undefined;
    return { octets, routes: [...this.#tooLong].slice(0, MOST_NAMED) };
  }

  #writeSome({ connection, agreement, nextHops }: Listener): void {
    const change = this.#rib.take(agreement.families, ROUTES_AT_ONCE);
    const style = { ...agreement, asn: this.#peer.asn, leaving: this.#leaving, nextHops };
    const { messages, tooLong } = writeUpdates(change, style);
    for (const message of messages) {
      this.#ports.counts.updatesSent++;
      connection.sendBytes(message);
    }
    this.#noteTooLong(change, tooLong);
  }

  #flushLater(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#ports.clock.after(0, () => {
      this.#flushing = false;
      this.flush();
    });
  }

  #noteTooLong({ announce, withdraw }: RibChange, tooLong: readonly Prefix[]): void {
    if (this.#tooLong.size > 0) {
      const other = [...withdraw.ipv4, ...withdraw.ipv6, ...announce.flatMap(({ prefixes }) => prefixes)];
      for (const prefix of other) this.#tooLong.delete(printPrefix(prefix));
    }
    for (const prefix of tooLong) this.#tooLong.add(printPrefix(prefix));
  }

  #sendEnds(connection: Connection): void {
    for (const [family, end] of this.#ends) {
      if (end === "endOfRib") connection.send({ type: "update", update: endOfRib(family) });
      else connection.send({ type: "routeRefresh", refresh: { afi: Afi[family], safi: SAFI_UNICAST, subtype: 2 } });
    }
    if (this.#ends.size > 0) this.#restarted = false;
    this.#ends.clear();
  }

  #warnOfMissingNextHops({ agreement, nextHops }: Listener): void {
    for (const family of agreement.families) {
      if (nextHops[family].length > 0) continue;
      const fields = { peer: this.#peer.name, family };
      const message = "routes of this family are not told: the interface of the session has no address they could have";
      this.#ports.onLog("warn", "bgp.noNextHop", fields, message);
    }
  }
}

import type { Clock } from "../../core/mod.ts";
import {
  type Address,
  Afi,
  type BgpMessage,
  type BgpNotification,
  CeaseError,
  ceaseWith,
  endOfRib,
  type Family,
  hardResetWith,
  type Prefix,
  printAddress,
  printPrefix,
  SAFI_UNICAST,
} from "../../net/mod.ts";
import { survivor } from "./agreement.ts";
import { Connection, type ConnectionEnd, type ConnectionOwner, type ConnectionPorts } from "./connection.ts";
import { Learning, type LearningPorts } from "./learning.ts";
import type { Counts, PeerSettings, PeerStatus } from "./message.ts";
import type { HeardRoute } from "./rib-in.ts";
import { type RibChange, RibOut } from "./rib-out.ts";
import { attributesFor, type OfferedRoute } from "./route.ts";
import type { Transport, TransportEvents } from "./transport.ts";
import { writeUpdates } from "./update-writer.ts";

export interface PeerSessionPorts extends ConnectionPorts, LearningPorts {
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

/** The session with one peer: its connections, of which one stays, and the routes it is told. */
export class PeerSession implements ConnectionOwner {
  /** Only those of BFD ever change. */
  settings: PeerSettings;
  readonly #ports: PeerSessionPorts;
  readonly #rib = new RibOut();
  readonly #dialed: Connection;
  #accepted: Connection | undefined;
  /** The dialed one waits for the end of the accepted one. */
  #gaveWay = false;
  /** The established one. */
  #up: Connection | undefined;
  #nextHops: Readonly<Record<Family, readonly Address[]>> = { ipv4: [], ipv6: [] };
  #why: string | undefined = "not started";
  #losses = 0;
  #settled = false;
  /** More of the routes are written in a moment. */
  #flushing = false;
  #leaving = false;
  /** True until the peer was told all routes once. */
  #restarted = true;
  readonly #learning: Learning;
  /** Routes that no message to this peer has room for. */
  readonly #tooLong = new Set<string>();
  /** Families whose end the peer has yet to be told, and the message that says it. */
  #ends = new Map<Family, "endOfRib" | "refreshEnd">();

  constructor(settings: PeerSettings, ports: PeerSessionPorts) {
    this.settings = settings;
    this.#ports = ports;
    this.#learning = new Learning(ports);
    this.#dialed = new Connection("dialed", settings, ports, this);
  }

  start(): void {
    this.#dialed.apply({ type: "start" });
  }

  /** Ends the session; the notification tells the peer why, and none lets it keep the routes for a while. */
  stop(notification?: BgpNotification): void {
    this.#gaveWay = false;
    const keeps = this.#up?.agreement?.peerRestart?.notification === true;
    const last = notification && keeps ? hardResetWith(notification) : notification;
    this.#each((connection) => connection.apply({ type: "stop", ...(last && { notification: last }) }));
    this.#learning.stop();
  }

  /** What the peer told of the ways to pods. */
  get learned(): Iterable<HeardRoute> {
    return this.#learning.routes;
  }

  /** The peer has told everything it knows. */
  get hasToldAll(): boolean {
    const families = this.#up?.agreement?.families;
    return families !== undefined && this.#learning.isComplete(families);
  }

  /** The peer has connected. */
  accept(open: (events: TransportEvents) => Transport): "taken" | "refused" {
    // A peer that lets us keep routes connects anew after a restart of which we have not heard: RFC 4724 section 4.2.
    const returned = this.#up?.agreement?.keepsRoutes === true;
    if ((this.#up !== undefined && !returned) || (this.#accepted !== undefined && !returned)) return "refused";
    if (this.#up === this.#dialed) this.#gaveWay = true;
    this.#up?.apply({ type: "stop" });
    const connection = new Connection("accepted", { ...this.settings, passive: true }, this.#ports, this);
    this.#accepted = connection;
    connection.accept(open);
    return "taken";
  }

  setRoute({ key, prefix, offers }: OfferedRoute): void {
    this.#rib.set(key, prefix, attributesFor(offers, this.settings.name));
  }

  removeRoute({ key, prefix }: Pick<OfferedRoute, "key" | "prefix">): void {
    this.#rib.set(key, prefix, undefined);
  }

  /** All routes of this node are known now. */
  settle(): void {
    this.#settled = true;
    this.flush();
  }

  /** Tells the peer to look for other ways, while the routes still work. RFC 8326. */
  shutDownGracefully(): void {
    this.#leaving = true;
    if (this.#up?.agreement === undefined) return;
    this.#rib.resend(this.#up.agreement.families);
    this.flush();
  }

  /** BFD lost the peer. */
  bfdDown(): void {
    this.#each((connection) => connection.apply({ type: "bfdDown" }));
  }

  /** Sends what changed, as far as the peer takes it. */
  flush(): void {
    const connection = this.#up;
    const agreement = connection?.agreement;
    const transport = connection?.transport;
    if (connection === undefined || transport === undefined || agreement === undefined) return;
    const style = {
      ...agreement,
      asn: this.settings.asn,
      leaving: this.#leaving,
      nextHops: this.#nextHops,
    };
    const hasRoom = () => this.#rib.pending > 0 && transport.backlog < MOST_BACKLOG;
    if (hasRoom()) {
      const change = this.#rib.take(agreement.families, ROUTES_AT_ONCE);
      const { messages, tooLong } = writeUpdates(change, style);
      for (const message of messages) {
        this.#ports.counts.updatesSent++;
        connection.sendBytes(message);
      }
      this.#noteTooLong(change, tooLong);
    }
    if (hasRoom()) this.#flushLater();
    if (this.#rib.pending === 0 && this.#settled) this.#sendEnds(connection);
    this.#ports.onChange();
  }

  status(): Omit<PeerStatus, "bfd" | "remote"> {
    const connection = this.#furthest();
    const { agreement, phase, transport } = connection;
    return {
      name: this.settings.name,
      phase,
      ...(phase === "established" || this.#why === undefined ? {} : { why: this.#why }),
      ...(agreement === undefined
        ? {}
        : {
            peerAsn: agreement.peerAsn,
            peerRouterId: printAddress({ family: "ipv4", value: BigInt(agreement.peerRouterId) }),
            holdTime: agreement.holdTime / 1000,
          }),
      families: agreement?.families ?? [],
      ...(transport === undefined ? {} : { localAddress: printAddress(transport.local) }),
      ...(agreement === undefined || this.#tooLong.size === 0
        ? {}
        : { tooLong: { octets: agreement.longestMessage, routes: [...this.#tooLong].slice(0, MOST_NAMED) } }),
      announced: this.told,
      pending: this.#rib.pending,
      losses: this.#losses,
      counts: { ...this.#ports.counts },
    };
  }

  /** Number of routes the peer knows. */
  get told(): number {
    return this.#up === undefined ? 0 : this.#rib.told - this.#tooLong.size;
  }

  restarted(): boolean {
    return this.#restarted;
  }

  onOpen(connection: Connection): void {
    const other = connection === this.#dialed ? this.#accepted : this.#dialed;
    const theirs = connection.agreement;
    // One that has heard no OPEN may be dead already; the two are compared when its own arrives.
    if (theirs === undefined || other?.phase !== "openConfirm") return;
    const { routerId, asn } = this.settings;
    const stays = survivor({ routerId, asn }, { routerId: theirs.peerRouterId, asn: theirs.peerAsn });
    this.#giveWay(stays === connection.origin ? other : connection);
  }

  onUp(connection: Connection): void {
    const other = connection === this.#dialed ? this.#accepted : this.#dialed;
    if (other !== undefined && other.phase !== "idle") this.#giveWay(other);
    const { agreement, transport } = connection;
    if (agreement === undefined || transport === undefined) return;
    this.#up = connection;
    this.#why = undefined;
    this.#nextHops = this.#ports.nextHops(transport.local, agreement.extendedNextHop);
    this.#rib.reset();
    this.#tooLong.clear();
    this.#ends = new Map(agreement.families.map((family) => [family, "endOfRib"]));
    const { peerAsn, families } = agreement;
    this.#learning.start(agreement);
    this.#ports.onLog("info", "bgp.up", { peer: this.settings.name, peerAsn, families }, "session established");
    this.#warnOfMissingNextHops(families);
    this.flush();
  }

  onMessage(connection: Connection, message: Extract<BgpMessage, { type: "update" | "routeRefresh" }>): void {
    if (message.type === "routeRefresh") this.#refresh(connection, message.refresh);
    else this.#learning.hear(message.update, this.settings);
  }

  onDrain(): void {
    this.flush();
  }

  onDown(connection: Connection, { why, notification, wasUp }: ConnectionEnd): void {
    const level = wasUp ? "warn" : "info";
    const repeated = this.#why === why && !wasUp;
    if (wasUp) {
      this.#up = undefined;
      this.#losses++;
      this.#learning.lose(notification);
    }
    if (connection === this.#accepted) this.#accepted = undefined;
    // The connection that gives way says nothing of how the session stands.
    if (this.#up === undefined) this.#why = why;
    if (!repeated) {
      const fields = { peer: this.settings.name, reason: why };
      this.#ports.onLog(level, "bgp.down", fields, wasUp ? "session lost" : "no session");
    }
    if (connection.origin === "accepted" && this.#gaveWay) {
      this.#gaveWay = false;
      this.#dialed.apply({ type: "start" });
    }
    this.#ports.onChange();
  }

  onPhase(): void {
    this.#ports.onChange();
  }

  #furthest(): Connection {
    return this.#up ?? (this.#dialed.phase === "idle" ? (this.#accepted ?? this.#dialed) : this.#dialed);
  }

  #giveWay(connection: Connection): void {
    if (connection === this.#dialed) this.#gaveWay = true;
    connection.apply({ type: "collided" });
  }

  #each(run: (connection: Connection) => void): void {
    const accepted = this.#accepted;
    run(this.#dialed);
    if (accepted !== undefined) run(accepted);
  }

  /** RFC 2918, RFC 7313. A request that says its own beginning or end is not for us: we take no routes by it. */
  #refresh(connection: Connection, { afi, safi, subtype }: { afi: number; safi: number; subtype: number }): void {
    const family = connection.agreement?.families.find((each) => Afi[each] === afi);
    if (family === undefined || safi !== SAFI_UNICAST || subtype !== 0) return;
    if (connection.agreement?.enhancedRefresh) {
      connection.send({ type: "routeRefresh", refresh: { afi, safi, subtype: 1 } });
      if (this.#ends.get(family) === undefined) this.#ends.set(family, "refreshEnd");
    }
    this.#rib.resend([family]);
    this.flush();
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

  #warnOfMissingNextHops(families: readonly Family[]): void {
    for (const family of families) {
      if (this.#nextHops[family].length > 0) continue;
      const fields = { peer: this.settings.name, family };
      const message = "routes of this family are not told: the interface of the session has no address they could have";
      this.#ports.onLog("warn", "bgp.noNextHop", fields, message);
    }
  }
}

/** Why a peer's session ends when its BGPPeer went or changed. */
export function ceaseBecause(reason: "removed" | "changed" | "shutdown"): BgpNotification {
  if (reason === "removed") return ceaseWith(CeaseError.PeerDeconfigured, "");
  if (reason === "changed") return { ...ceaseWith(CeaseError.ConfigurationChange, ""), data: new Uint8Array() };
  return ceaseWith(CeaseError.AdministrativeShutdown, "the speaker of this node stops");
}

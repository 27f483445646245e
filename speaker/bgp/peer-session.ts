import {
  type BgpMessage,
  type BgpNotification,
  CeaseError,
  ceaseWith,
  hardResetWith,
  printAddress,
} from "../../net/mod.ts";
import { survivor } from "./agreement.ts";
import { Connection, type ConnectionEnd, type ConnectionOwner, type ConnectionPorts } from "./connection.ts";
import { Learning, type LearningPorts } from "./learning.ts";
import type { PeerSettings, PeerStatus } from "./message.ts";
import { type HeardRoute, MOST_HEARD, type Receiver } from "./rib-in.ts";
import type { OfferedRoute } from "./route.ts";
import { Telling, type TellingPorts } from "./telling.ts";
import type { Transport, TransportEvents } from "./transport.ts";

export type PeerSessionPorts = ConnectionPorts & Omit<LearningPorts, "onOverflow"> & TellingPorts;

/** The session with one peer: its connections, of which one stays, what it is told, and what it tells. */
export class PeerSession implements ConnectionOwner {
  /** Only those of BFD ever change. */
  settings: PeerSettings;
  readonly #ports: PeerSessionPorts;
  readonly #dialed: Connection;
  #accepted: Connection | undefined;
  /** The dialed one waits for the end of the accepted one. */
  #gaveWay = false;
  /** The established one. */
  #up: Connection | undefined;
  #why: string | undefined;
  #losses = 0;
  readonly #learning: Learning;
  readonly #telling: Telling;

  constructor(settings: PeerSettings, ports: PeerSessionPorts) {
    this.settings = settings;
    this.#ports = ports;
    this.#why = settings.passive ? "the peer has not connected" : "not started";
    this.#learning = new Learning({ ...ports, onOverflow: () => this.#tellOverflow() });
    this.#telling = new Telling(settings, ports);
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

  setRoute(route: OfferedRoute): void {
    this.#telling.set(route);
  }

  removeRoute(route: Pick<OfferedRoute, "key" | "prefix">): void {
    this.#telling.remove(route);
  }

  /** All routes of this node are known now. */
  settle(): void {
    this.#telling.settle();
  }

  /** Tells the peer to look for other ways, while the routes still work. RFC 8326. */
  shutDownGracefully(): void {
    this.#telling.leave();
  }

  /** BFD lost the peer. */
  bfdDown(): void {
    this.#each((connection) => connection.apply({ type: "bfdDown" }));
  }

  /** Sends what changed, as far as the peer takes it. */
  flush(): void {
    this.#telling.flush();
  }

  status(): Omit<PeerStatus, "bfd" | "remote"> {
    const connection = this.#furthest();
    const { agreement, phase, transport } = connection;
    const tooLong = agreement && this.#telling.tooLong(agreement.longestMessage);
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
      ...(tooLong && { tooLong }),
      ...(this.#learning.overflowed ? { tooMany: MOST_HEARD } : {}),
      announced: this.told,
      pending: this.#telling.pending,
      losses: this.#losses,
      counts: { ...this.#ports.counts },
    };
  }

  /** Number of routes the peer knows. */
  get told(): number {
    return this.#telling.told;
  }

  restarted(): boolean {
    return this.#telling.restarted;
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
    const isAtWork = other !== undefined && other.phase !== "idle" && !isWaiting(other, this.settings);
    if (isAtWork) this.#giveWay(other);
    const { agreement, transport } = connection;
    if (agreement === undefined || transport === undefined) return;
    this.#up = connection;
    this.#why = undefined;
    const { peerAsn, families } = agreement;
    this.#learning.start(agreement);
    this.#ports.onLog("info", "bgp.up", { peer: this.settings.name, peerAsn, families }, "session established");
    this.#telling.start(connection, agreement, transport.local);
  }

  onMessage(message: Extract<BgpMessage, { type: "update" | "routeRefresh" }>): void {
    if (message.type === "routeRefresh") this.#telling.refresh(message.refresh);
    else this.#learning.hear(message.update, receiverOf(this.settings));
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
      this.#telling.stop();
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

  #tellOverflow(): void {
    const fields = { peer: this.settings.name, most: MOST_HEARD };
    const message = "the peer tells more ways to pods than are taken from one; let it tell those of this cluster only";
    this.#ports.onLog("warn", "bgp.tooMany", fields, message);
  }

  #furthest(): Connection {
    const unused = this.#dialed.phase === "idle" || isWaiting(this.#dialed, this.settings);
    return this.#up ?? (unused ? (this.#accepted ?? this.#dialed) : this.#dialed);
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
}

/** A passive connection has nothing to give way with, and stays for the next time. */
function isWaiting({ phase, origin }: Connection, { passive }: PeerSettings): boolean {
  return passive && origin === "dialed" && phase === "active";
}

function receiverOf({ asn, routerId, target }: PeerSettings): Receiver {
  return { asn, routerId, ...(target.kind === "interface" && { device: target.name }) };
}

/** Why a peer's session ends when its BGPPeer went or changed. */
export function ceaseBecause(reason: "removed" | "changed" | "shutdown"): BgpNotification {
  if (reason === "removed") return ceaseWith(CeaseError.PeerDeconfigured, "");
  if (reason === "changed") return { ...ceaseWith(CeaseError.ConfigurationChange, ""), data: new Uint8Array() };
  return ceaseWith(CeaseError.AdministrativeShutdown, "the speaker of this node stops");
}

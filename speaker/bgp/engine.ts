import type { Clock } from "../../core/mod.ts";
import type { Address, Family } from "../../net/mod.ts";
import type { BfdStatus } from "../bfd/session.ts";
import type { Dial } from "./connection.ts";
import {
  type Assignment,
  type Counts,
  type LearnedRoutes,
  noCounts,
  type PeerSettings,
  type PeerStatus,
} from "./message.ts";
import { ceaseBecause, PeerSession, type PeerSessionPorts } from "./peer-session.ts";
import { bestRoutes, type LearnPolicy } from "./rib-in.ts";
import type { OfferedRoute } from "./route.ts";
import type { Transport, TransportEvents } from "./transport.ts";

/** What the engine acts through. */
export interface EnginePorts {
  readonly clock: Clock;
  readonly random: () => number;
  readonly dial: (peer: PeerSettings) => Dial;
  readonly nextHops: (
    peer: PeerSettings,
    local: Address,
    extended: boolean,
  ) => Readonly<Record<Family, readonly Address[]>>;
  readonly bfd: BfdPort;
  /** Where the peer is now: the text of its address and port. */
  readonly remoteOf: (peer: PeerSettings) => string;
  /** Why the peer can't connect to this node; undefined: it can, or need not. */
  readonly refusalOf: (peer: PeerSettings) => string | undefined;
  readonly onStatus: (peers: readonly PeerStatus[]) => void;
  readonly onLearned: (learned: LearnedRoutes) => void;
  readonly onLog: PeerSessionPorts["onLog"];
}

/** The BFD sessions of this node. */
export interface BfdPort {
  /** Those that are to be; each has the name of its peer. */
  setPeers(peers: readonly PeerSettings[]): void;
  statusOf(peer: string): BfdStatus | undefined;
}

/** Milliseconds in which changes are gathered for one report. */
const STATUS_DELAY = 50;
/** Milliseconds in which routes that come one after the other are gathered. */
const LEARN_DELAY = 20;
/** Milliseconds after the start in which no route that an earlier run left is taken away, while the peers are silent. */
const LEARNING_TIME = 120_000;
/** Milliseconds peers get to find other ways before the sessions end: RFC 8326. */
const SHUTDOWN_DELAY = 1000;

interface Entry {
  readonly session: PeerSession;
  readonly text: string;
  readonly counts: Counts;
}

/** Holds the sessions that are assigned, and tells each peer what is offered to it. */
export class Engine {
  readonly #ports: EnginePorts;
  readonly #peers = new Map<string, Entry>();
  readonly #routes = new Map<string, OfferedRoute>();
  #settled = false;
  #reporting = false;
  #learn: LearnPolicy | undefined;
  #learning = false;
  /** Every peer has told all it knows, or had the time to. */
  #learnedAll = false;
  #cancelLearning = () => {};

  constructor(ports: EnginePorts) {
    this.#ports = ports;
  }

  assign({ peers, settled, learn }: Assignment): void {
    if (learn !== undefined && this.#learn === undefined) {
      this.#cancelLearning = this.#ports.clock.after(LEARNING_TIME, () => {
        this.#learnedAll = true;
        this.#tellLearned();
      });
    }
    this.#learn = learn;
    const wanted = new Map(peers.map((peer) => [peer.name, peer]));
    for (const [name, { session, text }] of this.#peers) {
      const settings = wanted.get(name);
      if (settings !== undefined && sessionText(settings) === text) continue;
      session.stop(ceaseBecause(settings === undefined ? "removed" : "changed"));
      this.#peers.delete(name);
    }
    for (const settings of peers) {
      const present = this.#peers.get(settings.name);
      if (present === undefined) this.#open(settings);
      else present.session.settings = settings;
    }
    this.relocate();
    if (settled && !this.#settled) for (const { session } of this.#peers.values()) session.settle();
    this.#settled = settled;
    this.#report();
    this.#tellLearned();
  }

  change(set: readonly OfferedRoute[], remove: readonly string[]): void {
    for (const route of set) {
      this.#routes.set(route.key, route);
      for (const { session } of this.#peers.values()) session.setRoute(route);
    }
    for (const key of remove) {
      const route = this.#routes.get(key);
      this.#routes.delete(key);
      if (route !== undefined) for (const { session } of this.#peers.values()) session.removeRoute(route);
    }
    for (const { session } of this.#peers.values()) session.flush();
  }

  /** A connection from `from`; `open` is called if it is a peer's that may have one more. */
  accept(
    match: (peer: PeerSettings) => boolean,
    open: (peer: PeerSettings, events: TransportEvents) => Transport,
  ): boolean {
    const entry = [...this.#peers.values()].find(({ session }) => match(session.settings));
    return entry?.session.accept((events) => open(entry.session.settings, events)) === "taken";
  }

  bfdDown(name: string): void {
    this.#peers.get(name)?.session.bfdDown();
    this.#report();
  }

  /** A peer that keeps our routes is left without a word; the others are told to look for other ways first. */
  async leave(): Promise<void> {
    const leaving = [...this.#peers.values()].map(({ session }) => session);
    const staying = (session: PeerSession) => session.settings.restartSeconds !== undefined;
    const told = leaving.filter((session) => !staying(session) && session.told > 0);
    for (const session of told) session.shutDownGracefully();
    if (told.length > 0) await new Promise<void>((resolve) => void this.#ports.clock.after(SHUTDOWN_DELAY, resolve));
    for (const session of leaving) session.stop(staying(session) ? undefined : ceaseBecause("shutdown"));
    this.#ports.bfd.setPeers([]);
    this.#peers.clear();
    this.#cancelLearning();
  }

  /** Peers may be found at other places than before. */
  relocate(): void {
    this.#ports.bfd.setPeers([...this.#peers.values()].map(({ session }) => session.settings));
  }

  /** Says how the sessions stand, soon. */
  touch(): void {
    this.#report();
  }

  #open(settings: PeerSettings): void {
    const { clock, random, dial, nextHops, onLog } = this.#ports;
    const counts = noCounts();
    const session = new PeerSession(settings, {
      clock,
      random,
      counts,
      dial: dial(settings),
      nextHops: (local, extended) => nextHops(settings, local, extended),
      learnWithin: () => this.#learn?.within,
      onLearned: () => this.#tellLearned(),
      onChange: () => this.#report(),
      onLog,
    });
    this.#peers.set(settings.name, { session, counts, text: sessionText(settings) });
    for (const route of this.#routes.values()) session.setRoute(route);
    if (this.#settled) session.settle();
    session.start();
  }

  #report(): void {
    if (this.#reporting) return;
    this.#reporting = true;
    this.#ports.clock.after(STATUS_DELAY, () => {
      this.#reporting = false;
      this.#ports.onStatus([...this.#peers.values()].map(({ session }) => this.#statusOf(session)));
    });
  }

  #tellLearned(): void {
    if (this.#learning || this.#learn === undefined) return;
    this.#learning = true;
    this.#ports.clock.after(LEARN_DELAY, () => {
      this.#learning = false;
      const sessions = [...this.#peers.values()].map(({ session }) => session);
      this.#learnedAll ||= sessions.length > 0 && sessions.every(({ hasToldAll }) => hasToldAll);
      const best = bestRoutes(
        sessions.flatMap(({ learned }) => [...learned]),
        this.#learn?.own ?? [],
      );
      const routes = best.map(({ prefix, way }) => ({ prefix, ...way }));
      this.#ports.onLearned({ routes, complete: this.#learnedAll });
    });
  }

  #statusOf(session: PeerSession): PeerStatus {
    const bfd = this.#ports.bfd.statusOf(session.settings.name);
    const remote = this.#ports.remoteOf(session.settings);
    const status = session.status();
    const why = status.phase === "established" ? undefined : this.#ports.refusalOf(session.settings);
    return { ...status, remote, ...(why === undefined ? {} : { why }), ...(bfd === undefined ? {} : { bfd }) };
  }
}

/** What a session can't take over when it changes; BFD goes its own way. */
function sessionText({ bfd: _, ...settings }: PeerSettings): string {
  return JSON.stringify(settings, (_, value) => (typeof value === "bigint" ? String(value) : value));
}

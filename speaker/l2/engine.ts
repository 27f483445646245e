import { type Clock, explainError, hasCode } from "../../core/mod.ts";
import type { Link } from "../../linux/mod.ts";
import { type Claims, sameClaims } from "../claim.ts";
import { decodeHeartbeat, encodeHeartbeat, type Heartbeat, type Phase } from "../heartbeat.ts";
import { MEMBER_TIMES, MemberTable, type Outgoing, type Peer } from "../member-table.ts";
import { GratuitousSchedule } from "./gratuitous.ts";
import { decideHoldings, type Holding, type Holdings, isStoodInFor, type Wanted } from "./holdings.ts";
import { facesClients } from "./interfaces.ts";
import type { Assignment, Status } from "./message.ts";
import { type Answer, answersOn, type Responder } from "./responder.ts";
import { addressStatus } from "./status.ts";

/** What the engine acts through. */
export interface EnginePorts {
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  /** Sends a datagram to the member `to`; one that can't be sent is lost like any other. */
  readonly send: (to: string, datagram: Uint8Array) => void;
  readonly responder: Responder;
  readonly onStatus: (status: Status) => void;
  readonly onLog: (level: "debug" | "info" | "warn", event: string, fields: object, message: string) => void;
}

export interface EngineOptions {
  readonly node: string;
  readonly key: Uint8Array;
  /** Random, not 0, new for every start. */
  readonly epoch: bigint;
}

/** Longest wait for the other members' claims before taking part: as long as one is given up after. */
const LISTEN = MEMBER_TIMES.deadAfter + MEMBER_TIMES.tick;
/** Shortest wait after this node was cut off or held up: what it knows of the others is old, their news is coming in. */
const LISTEN_AGAIN = MEMBER_TIMES.period + MEMBER_TIMES.tick;
/** A program held up for this long may have been taken for dead by the others. */
const HELD_UP = MEMBER_TIMES.deadAfter - MEMBER_TIMES.period;

/** Milliseconds in which news of several members, or in several datagrams, is gathered for one decision. */
const SOON = 1;

const NOTHING_ASSIGNED: Assignment = { peers: [], announcements: [], settled: false };

/**
 * Announces addresses together with the other members: hears and sends heartbeats, decides what this node holds, and
 * drives the responder. Owns the order of things and no policy; holdings.ts and member-table.ts decide.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #ports: EnginePorts;
  readonly #members: MemberTable;
  readonly #schedule: GratuitousSchedule;
  #assignment = NOTHING_ASSIGNED;
  #links: readonly Link[] = [];
  #holdings: Holdings = new Map();
  #published: { readonly phase: Phase; readonly claims: Claims } = { phase: "starting", claims: new Map() };
  #phase: Phase = "starting";
  /** Earliest and latest end of listening. */
  #listen: { readonly from: number; readonly until: number };
  /** What this node held before it listened again. */
  #resumable: ReadonlySet<string> = new Set();
  #tickedAt: number;
  #cancelTick: () => void = () => {};
  #cancelRound: () => void = () => {};
  #cancelSoon: () => void = () => {};
  #soon = false;
  #onLeft: () => void = () => {};
  #statusText = "";
  /** Why a heartbeat could not be read last, so that it is logged once and not ten times a second. */
  #complaint = "";
  #decidedAt = 0;
  /** What the last decision was based on. */
  #outline = "";

  constructor(options: EngineOptions, ports: EnginePorts) {
    this.#options = options;
    this.#ports = ports;
    const now = ports.clock.now();
    this.#members = new MemberTable(options.node, options.epoch, MEMBER_TIMES, now);
    this.#schedule = new GratuitousSchedule(ports.random);
    this.#listen = { from: now, until: now + LISTEN };
    this.#tickedAt = now;
    this.#tick();
  }

  /** False while this program may have been taken for dead: others may answer now. */
  get mayAnswer(): boolean {
    return this.#now() - this.#tickedAt < HELD_UP;
  }

  assign(assignment: Assignment): void {
    this.#catchUp();
    const known = new Set(this.#assignment.peers.map(({ name }) => name));
    this.#assignment = assignment;
    this.#members.setPeers(assignment.peers.map(({ name }) => name));
    if (assignment.peers.some(({ name }) => !known.has(name))) this.#sendAll(this.#members.announce(this.#now()));
    this.#decide();
  }

  /** The interfaces changed. All links of the host; those that face clients are used. */
  setLinks(links: readonly Link[]): void {
    this.#catchUp();
    const now = this.#now();
    const before = new Set(this.#links.map(({ index }) => index));
    this.#links = links.filter(facesClients);
    this.#ports.responder.setLinks(this.#links);
    const cutOff = before.size === 0 && this.#phase === "running";
    if (cutOff && this.#links.length > 0) this.#listenAgain(now, LISTEN);
    if (this.#links.some(({ index }) => !before.has(index))) this.#schedule.restart(now);
    this.#decide();
    this.#round();
  }

  receive(datagram: Uint8Array): void {
    this.#catchUp();
    const heartbeat = this.#read(datagram);
    if (heartbeat === undefined) return;
    this.#sendAll(this.#members.receive(heartbeat, this.#now()));
    this.#decideSoon();
  }

  /** Nobody listens at the member `name`, says the kernel of its node. */
  refused(name: string): void {
    this.#catchUp();
    this.#members.refused(name, this.#now());
    this.#decideSoon();
  }

  /** Hands every address over and says good-bye; resolves when nothing is answered any more. */
  async leave(): Promise<void> {
    const left = new Promise<void>((resolve) => {
      this.#onLeft = resolve;
    });
    this.#phase = "leaving";
    this.#decide();
    await left;
    this.#members.setOwn("left", new Map());
    this.#sendAll(this.#members.announce(this.#now()));
    this.#cancelTick();
    this.#cancelRound();
    this.#cancelSoon();
  }

  #read(datagram: Uint8Array): Heartbeat | undefined {
    try {
      return decodeHeartbeat(datagram, this.#options.key);
    } catch (error) {
      if (!hasCode(error, "IB_WIRE_TRUNCATED")) throw error;
      const reason = explainError(error);
      if (reason !== this.#complaint) {
        this.#ports.onLog("warn", "member.otherVersion", { reason }, "a member speaks another version");
      }
      this.#complaint = reason;
      return undefined;
    }
  }

  #now(): number {
    return this.#ports.clock.now();
  }

  #tick(): void {
    const now = this.#now();
    const outgoing = this.#members.tick(now);
    const gap = now - this.#tickedAt;
    this.#tickedAt = now;
    if (gap >= HELD_UP && this.#assignment.peers.length > 0) {
      this.#ports.onLog("warn", "speaker.heldUp", { milliseconds: Math.round(gap) }, "was held up; listening again");
      this.#listenAgain(now, LISTEN_AGAIN);
    }
    this.#sendAll(outgoing);
    this.#decideOnNews();
    this.#cancelTick = this.#ports.clock.after(MEMBER_TIMES.tick, () => this.#tick());
  }

  /** After this program was held up for long the tick comes first, whatever the event loop offers first. */
  #catchUp(): void {
    if (this.mayAnswer) return;
    this.#cancelTick();
    this.#tick();
  }

  /**
   * Others may have taken this node for dead: it answers for nothing until it has heard what they did.
   * @param patience Longest wait for all of them.
   */
  #listenAgain(now: number, patience: number): void {
    if (this.#phase === "leaving") return;
    const held = [...this.#holdings].filter(([, { stance }]) => stance === "holds" || stance === "handsOver");
    this.#resumable = new Set(held.map(([address]) => address));
    this.#holdings = new Map();
    this.#phase = "starting";
    this.#listen = { from: now + LISTEN_AGAIN, until: now + patience };
  }

  /** Decides if another member changed, or if time alone may change something. */
  #decideOnNews(): void {
    const waits =
      this.#phase !== "running" || [...this.#holdings.values()].some(({ until = 0 }) => until > this.#decidedAt);
    if (waits || this.#members.outline(this.#now()) !== this.#outline) this.#decide();
  }

  /** Decides on what came in, once for all that comes at the same time. */
  #decideSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    this.#cancelSoon = this.#ports.clock.after(SOON, () => {
      this.#soon = false;
      this.#decideOnNews();
    });
  }

  /** Brings everything in line with what is known now. */
  #decide(): void {
    const now = this.#now();
    this.#outline = this.#members.outline(now);
    this.#decidedAt = now;
    const peers = this.#members.peers(now);
    const begins = this.#phase === "starting" && this.#hasListened(peers, now);
    if (begins) this.#phase = "running";
    const before = this.#holdings;
    this.#holdings = decideHoldings({
      self: this.#options.node,
      wanted: this.#phase === "running" ? this.#wanted() : new Map(),
      peers,
      before,
      resume: (address) => begins && (this.#resumable.has(address) || isStoodInFor(address, peers)),
      now,
    });
    this.#answer(before);
    this.#publish();
    this.#tellStatus(peers);
    if (this.#phase === "leaving" && this.#holdings.size === 0) this.#onLeft();
  }

  #hasListened(peers: readonly Peer[], now: number): boolean {
    const { from, until } = this.#listen;
    return this.#assignment.settled && now >= from && (now >= until || peers.every(({ known }) => known));
  }

  /** What is assigned to this node and has an interface. */
  #wanted(): ReadonlyMap<string, Wanted> {
    const usable = this.#assignment.announcements.filter((answer) =>
      this.#links.some(({ name }) => answersOn(answer, name)),
    );
    return new Map(usable.map((announcement) => [announcement.address, announcement]));
  }

  #answer(before: Holdings): void {
    const interfacesOf = new Map(
      this.#assignment.announcements.map(({ address, interfaces }) => [address, interfaces]),
    );
    const answers = new Map<string, Answer>();
    for (const [address, { stance, inNameOf }] of this.#holdings) {
      if (stance === "ready") continue;
      const interfaces = interfacesOf.get(address) ?? "all";
      answers.set(address, inNameOf === undefined ? { interfaces } : { interfaces, inNameOf });
    }
    this.#ports.responder.setAnswers(answers);

    for (const address of before.keys()) {
      if (this.#holdings.get(address)?.stance !== "holds") this.#schedule.stop(address);
    }
    let started = false;
    for (const [address, holding] of this.#holdings) {
      if (!mustAnnounce(before.get(address), holding)) continue;
      this.#schedule.start(address, this.#now());
      started = true;
    }
    if (started) this.#round();
    this.#logChanges(before);
  }

  /** Sends the announcements that are due and sleeps until the next. */
  #round(): void {
    const now = this.#now();
    for (const address of this.#schedule.take(now)) this.#ports.responder.announce(address);
    this.#cancelRound();
    const next = this.#schedule.next();
    if (next !== undefined) this.#cancelRound = this.#ports.clock.after(Math.max(1, next - now), () => this.#round());
  }

  /** Tells the other members at once what changed. */
  #publish(): void {
    const claims = new Map([...this.#holdings].map(([address, { stance, score }]) => [address, { stance, score }]));
    const phase = this.#phase;
    if (phase === this.#published.phase && sameClaims(claims, this.#published.claims)) return;
    this.#published = { phase, claims };
    this.#members.setOwn(phase, claims);
    this.#sendAll(this.#members.announce(this.#now()));
  }

  #sendAll(outgoing: readonly Outgoing[]): void {
    for (const { to, heartbeat } of outgoing) this.#ports.send(to, encodeHeartbeat(heartbeat, this.#options.key));
  }

  #tellStatus(peers: readonly Peer[]): void {
    const status: Status = {
      listening: this.#phase === "starting",
      addresses: addressStatus(this.#options.node, this.#holdings, peers),
      members: Object.fromEntries(peers.map(({ name, reach }) => [name, reach])),
      interfaces: this.#links.map(({ name }) => name),
    };
    const text = JSON.stringify(status);
    if (text === this.#statusText) return;
    this.#statusText = text;
    this.#ports.onStatus(status);
  }

  #logChanges(before: Holdings): void {
    for (const [address, { stance, inNameOf }] of this.#holdings) {
      const was = before.get(address)?.stance;
      if (stance === was || stance === "ready") continue;
      this.#ports.onLog("info", `address.${stance}`, { address, was, inNameOf }, SENTENCES[stance]);
    }
    for (const [address, { stance }] of before) {
      const now = this.#holdings.get(address)?.stance;
      if ((stance === "holds" || stance === "handsOver") && (now === undefined || now === "ready")) {
        this.#ports.onLog("info", "address.released", { address, was: stance }, "no longer announces an address");
      }
    }
  }
}

const SENTENCES = {
  holds: "announces an address",
  handsOver: "hands an address over",
  standsIn: "answers for a member that is restarting",
} as const;

/** A new holder announces itself, and one that was contested does so again when the other gave way. */
function mustAnnounce(before: Holding | undefined, after: Holding): boolean {
  if (after.stance !== "holds") return false;
  return before?.stance !== "holds" || before.contested !== after.contested;
}

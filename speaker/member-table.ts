import type { Claims } from "./claim.ts";
import { type ClaimsPart, type Heartbeat, type Phase, type Stamp, splitClaims } from "./heartbeat.ts";

/** How patient members are with each other. Milliseconds. */
export interface MemberTimes {
  /** Between two ticks: how finely time is looked at. */
  readonly tick: number;
  /** Between two heartbeats. */
  readonly period: number;
  /** Silence after which a member is asked for a sign of life at every tick. */
  readonly probeAfter: number;
  /** Silence after which a member is lost: three heartbeats and the answers to the probes. */
  readonly deadAfter: number;
  /** After which a member that shows no sign of having heard us is deaf. */
  readonly deafAfter: number;
  /** How old the stamp may be that proves a new conversation genuine. */
  readonly echoMaxAge: number;
  /**
   * How long a refusal of a member's kernel proves that its node lives; kernels limit refusals to one a second, and one may
   * be lost.
   */
  readonly refusalMaxAge: number;
  /** How long after a member's node was given up it may still have the connections it had. */
  readonly keptAfter: number;
  /** How long a member whose node lives may be silent before its addresses are taken from it. */
  readonly restartGrace: number;
  /** The same for one that said that it is only being restarted. */
  readonly pauseGrace: number;
}

export const MEMBER_TIMES: MemberTimes = {
  tick: 50,
  period: 100,
  probeAfter: 150,
  deadAfter: 350,
  deafAfter: 600,
  echoMaxAge: 2000,
  refusalMaxAge: 2500,
  keptAfter: 700,
  restartGrace: 10_000,
  pauseGrace: 30_000,
};

/** A heartbeat to be sent. */
export interface Outgoing {
  readonly to: string;
  readonly heartbeat: Heartbeat;
}

/**
 * How far another member can be reached:
 * - alive: we hear it, and it hears us
 * - returning: we hear it again after a silence, and it has not shown yet that it hears us; what comes first may be old
 * - deaf: we hear it for longer than that, but it does not hear us
 * - restarting: its program is gone or not ready yet, but its node lives and it held addresses a moment ago
 * - lost: nothing is heard
 */
export type Reach = "alive" | "returning" | "deaf" | "restarting" | "lost";

/** Another member as seen from here. */
export interface Peer {
  readonly name: string;
  readonly reach: Reach;
  /** What it claims; of a restarting member what it held; nothing of a lost one. */
  readonly claims: Claims;
  /** Milliseconds since it was heard last. */
  readonly silence: number;
  /** A moment ago its kernel was there, whatever its program did: it has the connections it had. */
  readonly kernelLives: boolean;
  /** Nothing more needs to be heard: its claims are whole and current, or its program is not there. */
  readonly known: boolean;
}

/** Our conversation with one other member. */
interface Link {
  readonly name: string;
  /** Our next packet to it is number sent + 1. */
  sent: number;
  sentAt: number;
  /** When we sent the last packets, by sequence number modulo its length. */
  readonly sentTimes: { sequence: number; at: number }[];
  /** Its latest packet; epoch 0 before the first. */
  stamp: Stamp;
  phase: Phase;
  heardAt: number;
  /** When it was heard first after a silence. */
  heardSince: number;
  /** When we sent the latest packet of ours that it has heard. */
  heardUsAt: number;
  /** Edition of its claims that it last named, and the one that we have whole. */
  namedEdition: number;
  edition: number;
  claims: Claims;
  partial: { readonly edition: number; readonly parts: Map<number, Claims> } | undefined;
  /** What it held before its program was restarted, and until when that is kept for it. */
  reserved: Claims;
  reservedUntil: number;
  /** Edition of our claims that it has. */
  acknowledged: number;
  refusedAt: number;
}

const NEVER = Number.NEGATIVE_INFINITY;
const NO_CLAIMS: Claims = new Map();
const NO_STAMP: Stamp = { epoch: 0n, sequence: 0 };
/** Packets whose time of sending is remembered: more than are sent in echoMaxAge. */
const REMEMBERED = 64;

/**
 * Who is there and what they claim. Knows no socket and no clock: packets and times come in, packets to send go out.
 *
 * Each pair of members holds a conversation. A packet names its sender's epoch (one life of its program) and number, and
 * echoes the receiver's latest. A new epoch is believed only when it echoes a recent stamp of ours, so that neither a replay
 * nor a clock can bring back an old one. Claims travel in editions that are sent until they are acknowledged.
 */
export class MemberTable {
  readonly #self: string;
  readonly #epoch: bigint;
  readonly #times: MemberTimes;
  readonly #links = new Map<string, Link>();
  #phase: Phase = "starting";
  #edition = 1;
  #parts: readonly ClaimsPart[] = splitClaims(NO_CLAIMS);
  #tickedAt: number;
  /** Highest number of a packet to one that was forgotten: to it, named again, a lower one would be a replay. */
  #sentBefore = 0;

  /** @param epoch Random and not 0, another one for every start of the program. */
  constructor(self: string, epoch: bigint, times: MemberTimes, now: number) {
    this.#self = self;
    this.#epoch = epoch;
    this.#times = times;
    this.#tickedAt = now;
  }

  /** The other members there may be. Those no longer named are forgotten. */
  setPeers(names: readonly string[]): void {
    const wanted = new Set(names.filter((name) => name !== this.#self));
    for (const [name, { sent }] of this.#links) {
      if (wanted.has(name)) continue;
      this.#links.delete(name);
      this.#sentBefore = Math.max(this.#sentBefore, sent);
    }
    for (const name of wanted) if (!this.#links.has(name)) this.#links.set(name, newLink(name, this.#sentBefore));
  }

  /** What this member says of itself from now on. */
  setOwn(phase: Phase, claims: Claims): void {
    this.#phase = phase;
    this.#edition++;
    this.#parts = splitClaims(claims);
  }

  /** Takes in a packet; the result is what to answer at once. */
  receive(heartbeat: Heartbeat, now: number): readonly Outgoing[] {
    const link = this.#links.get(heartbeat.from);
    if (link === undefined) return [];
    const echoedAt = this.#echoedAt(link, heartbeat.echo);
    const isNew = heartbeat.stamp.epoch !== link.stamp.epoch;
    if (isNew) {
      const genuine = echoedAt !== undefined && now - echoedAt <= this.#times.echoMaxAge;
      if (!genuine) return [this.#write(link, now, { echo: heartbeat.stamp })];
      this.#begin(link);
    } else if (heartbeat.stamp.sequence <= link.stamp.sequence) {
      return []; // a replay, a double, or overtaken by a newer one
    }
    if (isNew || now - link.heardAt > this.#times.deadAfter) link.heardSince = now;
    link.stamp = heartbeat.stamp;
    link.heardAt = now;
    link.phase = heartbeat.phase;
    if (echoedAt !== undefined) {
      link.heardUsAt = Math.max(link.heardUsAt, echoedAt);
      link.acknowledged = heartbeat.acknowledged;
    }
    takeClaims(link, heartbeat);
    const wantsAnswer = isNew || heartbeat.probe || this.#reach(link, now) === "returning";
    return wantsAnswer ? this.#writeAll(link, now) : [];
  }

  /** The kernel of a member's node answered that nobody listens: the node lives, the program does not. */
  refused(name: string, now: number): void {
    const link = this.#links.get(name);
    if (link !== undefined) link.refusedAt = now;
  }

  /**
   * To be called every `tick`.
   * @returns What is due to be sent. When this program itself was held up, what others sent meanwhile has not been read
   * yet, so that time is not counted against them.
   */
  tick(now: number): readonly Outgoing[] {
    const gap = now - this.#tickedAt;
    const heldUp = gap > 2 * this.#times.tick ? gap - this.#times.tick : 0;
    this.#tickedAt = now;
    const outgoing: Outgoing[] = [];
    for (const link of this.#links.values()) {
      const shift = Math.min(heldUp, now - Math.max(link.heardAt, link.refusedAt));
      link.heardAt += shift;
      link.refusedAt += shift;
      link.heardUsAt = Math.min(now, link.heardUsAt + heldUp);
      if (now - link.sentAt >= this.#times.period - this.#times.tick / 2) outgoing.push(...this.#writeAll(link, now));
      else if (this.#isSuspect(link, now)) outgoing.push(this.#write(link, now, {}));
    }
    return outgoing;
  }

  /** The current heartbeat to everybody, for news that should not wait. */
  announce(now: number): readonly Outgoing[] {
    return [...this.#links.values()].flatMap((link) => this.#writeAll(link, now));
  }

  peers(now: number): readonly Peer[] {
    return [...this.#links.values()].map((link) => {
      const reach = this.#reach(link, now);
      return {
        name: link.name,
        reach,
        silence: now - link.heardAt,
        claims: claimsOf(link, reach),
        kernelLives: this.#kernelLives(link, now),
        known: this.#isKnown(link, reach),
      };
    });
  }

  /** A text that changes when peers() would say something else. */
  outline(now: number): string {
    let outline = "";
    for (const link of this.#links.values()) {
      const reach = this.#reach(link, now);
      const lives = this.#kernelLives(link, now);
      outline += `${link.stamp.epoch} ${reach} ${lives} ${link.edition} ${this.#isKnown(link, reach)} `;
    }
    return outline;
  }

  #reach(link: Link, now: number): Reach {
    const { deadAfter, deafAfter, refusalMaxAge, restartGrace, pauseGrace } = this.#times;
    if (link.phase === "left" || link.stamp.epoch === 0n) return "lost";
    if (link.phase === "pausing") {
      const lives = now - Math.max(link.heardAt, link.refusedAt) <= refusalMaxAge;
      return lives && now - link.heardAt <= pauseGrace ? "restarting" : "lost";
    }
    const refused = link.refusedAt > link.heardAt;
    if (!refused && now - link.heardAt <= deadAfter) {
      if (link.phase === "starting" && now < link.reservedUntil) return "restarting";
      if (now - link.heardUsAt <= deafAfter) return "alive";
      return now - link.heardSince <= deafAfter ? "returning" : "deaf";
    }
    const nodeLives = refused && now - link.refusedAt <= refusalMaxAge;
    return nodeLives && link.phase !== "leaving" && now - link.heardAt <= restartGrace ? "restarting" : "lost";
  }

  #kernelLives({ heardAt, refusedAt }: Link, now: number): boolean {
    const { deadAfter, refusalMaxAge, keptAfter } = this.#times;
    const lived = refusedAt > heardAt ? refusedAt + refusalMaxAge : heardAt + deadAfter;
    return now <= lived + keptAfter;
  }

  #isKnown(link: Link, reach: Reach): boolean {
    if (link.refusedAt > link.heardAt || link.phase === "left" || link.phase === "pausing") return true;
    return reach !== "lost" && link.edition > 0 && link.edition === link.namedEdition;
  }

  /** Silent for longer than usual, or without a sign of having heard us, but not given up. */
  #isSuspect(link: Link, now: number): boolean {
    const { probeAfter, deadAfter, deafAfter, period } = this.#times;
    const silent = now - link.heardAt;
    const deaf = now - link.heardUsAt;
    return (silent > probeAfter && silent <= deadAfter) || (deaf > probeAfter + period && deaf <= deafAfter);
  }

  /** When we sent the packet that `echo` names; undefined when it names none of this life of ours, or one long ago. */
  #echoedAt(link: Link, echo: Stamp): number | undefined {
    if (echo.epoch !== this.#epoch) return undefined;
    const sent = link.sentTimes[echo.sequence % REMEMBERED];
    return sent?.sequence === echo.sequence ? sent.at : undefined;
  }

  /** A new life of a member: what it held is kept for it for a while. */
  #begin(link: Link): void {
    const held = claimsOf(link, "restarting");
    const { restartGrace, pauseGrace } = this.#times;
    const grace = link.phase === "running" ? restartGrace : link.phase === "pausing" ? pauseGrace : undefined;
    const until = grace === undefined ? link.reservedUntil : link.heardAt + grace;
    const { sent, sentAt, sentTimes, heardUsAt } = link;
    Object.assign(link, newLink(link.name, sent), {
      sentAt,
      sentTimes,
      heardUsAt,
      reserved: held,
      reservedUntil: until,
    });
  }

  /** The heartbeat to one member with every part of our claims that it lacks. */
  #writeAll(link: Link, now: number): Outgoing[] {
    if (link.stamp.epoch === 0n || link.acknowledged === this.#edition) return [this.#write(link, now, {})];
    return this.#parts.map((part) => this.#write(link, now, { part }));
  }

  #write(link: Link, now: number, { part, echo }: { readonly part?: ClaimsPart; readonly echo?: Stamp }): Outgoing {
    const sequence = ++link.sent;
    link.sentAt = now;
    link.sentTimes[sequence % REMEMBERED] = { sequence, at: now };
    const heartbeat: Heartbeat = {
      from: this.#self,
      stamp: { epoch: this.#epoch, sequence },
      echo: echo ?? link.stamp,
      phase: this.#phase,
      probe: this.#isSuspect(link, now),
      edition: this.#edition,
      acknowledged: link.edition,
      ...(part === undefined ? {} : { part }),
    };
    return { to: link.name, heartbeat };
  }
}

function newLink(name: string, sent: number): Link {
  return {
    name,
    sent,
    sentAt: NEVER,
    sentTimes: [],
    stamp: NO_STAMP,
    phase: "starting",
    heardAt: NEVER,
    heardSince: NEVER,
    heardUsAt: NEVER,
    namedEdition: 0,
    edition: 0,
    claims: NO_CLAIMS,
    partial: undefined,
    reserved: NO_CLAIMS,
    reservedUntil: NEVER,
    acknowledged: 0,
    refusedAt: NEVER,
  };
}

function claimsOf(link: Link, reach: Reach): Claims {
  if (reach === "lost") return NO_CLAIMS;
  if (reach !== "restarting") return link.claims;
  if (link.phase === "starting") return link.reserved;
  return new Map([...link.claims].filter(([, claim]) => claim.stance === "holds"));
}

function takeClaims(link: Link, { edition, part }: Heartbeat): void {
  link.namedEdition = edition;
  if (part === undefined || edition === link.edition) return;
  if (link.partial?.edition !== edition) link.partial = { edition, parts: new Map() };
  link.partial.parts.set(part.index, part.claims);
  if (link.partial.parts.size < part.count) return;
  link.claims = new Map([...link.partial.parts.values()].flatMap((claims) => [...claims]));
  link.edition = edition;
  link.partial = undefined;
}

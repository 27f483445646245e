import { type Claims, sameClaims } from "./claim.ts";
import { type ClaimsPart, type Heartbeat, type Phase, type Stamp, splitClaims } from "./heartbeat.ts";
import {
  claimsOf,
  isKnown,
  isSuspect,
  kernelLives,
  type MemberLink,
  NO_CLAIMS,
  newMemberLink,
  type Reach,
  reachOf,
  takeClaims,
} from "./member-link.ts";
import type { MemberTimes } from "./member-times.ts";
import { NO_STATIONS, type Stations, sameStations } from "./station.ts";

/** A heartbeat to be sent. */
export interface Outgoing {
  readonly to: string;
  readonly heartbeat: Heartbeat;
}

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

/** What a member says of itself. */
interface OwnWord {
  readonly phase: Phase;
  readonly claims: Claims;
  readonly stations: Stations;
}

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
  readonly #links = new Map<string, MemberLink>();
  #own: OwnWord = { phase: "starting", claims: NO_CLAIMS, stations: NO_STATIONS };
  #edition = 1;
  #parts: readonly ClaimsPart[] = splitClaims(NO_CLAIMS, NO_STATIONS);
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
    for (const name of wanted) if (!this.#links.has(name)) this.#links.set(name, newMemberLink(name, this.#sentBefore));
  }

  /**
   * What this member says of itself from now on.
   * @returns True when that is something else than before.
   */
  setOwn(phase: Phase, claims: Claims, stations: Stations): boolean {
    const own = this.#own;
    if (phase === own.phase && sameClaims(claims, own.claims) && sameStations(stations, own.stations)) return false;
    this.#own = { phase, claims, stations };
    this.#edition++;
    this.#parts = splitClaims(claims, stations);
    return true;
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
    const wantsAnswer = isNew || heartbeat.probe || reachOf(link, this.#times, now) === "returning";
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
      else if (isSuspect(link, this.#times, now)) outgoing.push(this.#write(link, now, {}));
    }
    return outgoing;
  }

  /** The current heartbeat to everybody, for news that should not wait. */
  announce(now: number): readonly Outgoing[] {
    return [...this.#links.values()].flatMap((link) => this.#writeAll(link, now));
  }

  /** Where the member `name` is to be found, by its own word. */
  stationsOf(name: string): Stations {
    return this.#links.get(name)?.stations ?? NO_STATIONS;
  }

  peers(now: number): readonly Peer[] {
    return [...this.#links.values()].map((link) => {
      const reach = reachOf(link, this.#times, now);
      return {
        name: link.name,
        reach,
        silence: now - link.heardAt,
        claims: claimsOf(link, reach),
        kernelLives: kernelLives(link, this.#times, now),
        known: isKnown(link, reach),
      };
    });
  }

  /** A text that changes when peers() would say something else. */
  outline(now: number): string {
    let outline = "";
    for (const link of this.#links.values()) {
      const reach = reachOf(link, this.#times, now);
      const lives = kernelLives(link, this.#times, now);
      outline += `${link.stamp.epoch} ${reach} ${lives} ${link.edition} ${isKnown(link, reach)} `;
    }
    return outline;
  }

  /** When we sent the packet that `echo` names; undefined when it names none of this life of ours, or one long ago. */
  #echoedAt(link: MemberLink, echo: Stamp): number | undefined {
    if (echo.epoch !== this.#epoch) return undefined;
    const sent = link.sentTimes[echo.sequence % REMEMBERED];
    return sent?.sequence === echo.sequence ? sent.at : undefined;
  }

  /** A new life of a member: what it held is kept for it for a while. */
  #begin(link: MemberLink): void {
    const held = claimsOf(link, "restarting");
    const { restartGrace, pauseGrace } = this.#times;
    const grace = link.phase === "running" ? restartGrace : link.phase === "pausing" ? pauseGrace : undefined;
    const until = grace === undefined ? link.reservedUntil : link.heardAt + grace;
    const { sent, sentAt, sentTimes, heardUsAt, stations } = link;
    Object.assign(link, newMemberLink(link.name, sent), {
      sentAt,
      sentTimes,
      heardUsAt,
      stations,
      reserved: held,
      reservedUntil: until,
    });
  }

  /** The heartbeat to one member with every part of our claims that it lacks. */
  #writeAll(link: MemberLink, now: number): Outgoing[] {
    if (link.stamp.epoch === 0n || link.acknowledged === this.#edition) return [this.#write(link, now, {})];
    return this.#parts.map((part) => this.#write(link, now, { part }));
  }

  #write(
    link: MemberLink,
    now: number,
    { part, echo }: { readonly part?: ClaimsPart; readonly echo?: Stamp },
  ): Outgoing {
    const sequence = ++link.sent;
    link.sentAt = now;
    link.sentTimes[sequence % REMEMBERED] = { sequence, at: now };
    const heartbeat: Heartbeat = {
      from: this.#self,
      stamp: { epoch: this.#epoch, sequence },
      echo: echo ?? link.stamp,
      phase: this.#own.phase,
      probe: isSuspect(link, this.#times, now),
      edition: this.#edition,
      acknowledged: link.edition,
      ...(part === undefined ? {} : { part }),
    };
    return { to: link.name, heartbeat };
  }
}

import type { Clock } from "../../core/mod.ts";
import { parseMac } from "../../net/mod.ts";
import type { Phase } from "../heartbeat.ts";
import { MemberTable, type Outgoing, type Peer } from "../member-table.ts";
import { MEMBER_TIMES } from "../member-times.ts";
import { macOn, NO_STATIONS, stationsOf } from "../station.ts";
import { Announcing } from "./announcing.ts";
import { changesOf, lossesOf, takesOf } from "./change-log.ts";
import { Duplicates } from "./duplicates.ts";
import { decideHoldings, type Holdings } from "./holdings.ts";
import { type HostLink, hasNewPlace, sameHostLinks } from "./interfaces.ts";
import { type Keepers, keepersOf } from "./keepers.ts";
import { Listening } from "./listening.ts";
import { type Assignment, type Happening, type Leaving, NOTHING_KNOWN, type Status } from "./message.ts";
import { type Offer, offersOf } from "./offers.ts";
import { peersBehind } from "./peers-behind.ts";
import type { Foreigner, Responder } from "./responder.ts";
import { SealedPost } from "./sealed-post.ts";
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
  readonly onHappening: (happening: Happening) => void;
  readonly onLog: (level: "debug" | "info" | "warn", event: string, fields: object, message: string) => void;
}

export interface EngineOptions {
  readonly node: string;
  /** See memberKeys(). */
  readonly key: Uint8Array;
  /** Random, not 0, new for every start. */
  readonly epoch: bigint;
}

/** A program held up for this long may have been taken for dead by the others. */
const HELD_UP = MEMBER_TIMES.deadAfter - MEMBER_TIMES.period;
/** Longest time in which this node goes on answering, before it pauses, for others to begin to answer in its name. */
const PAUSE_WAIT = 300;

/** Milliseconds in which news of several members, or in several datagrams, is gathered for one decision. */
const SOON = 1;

const NOTHING_ASSIGNED: Assignment = { peers: [], announcements: [], settled: false };

/**
 * Announces addresses together with the other members: hears and sends heartbeats, decides what this node holds, and tells
 * what came of it. Owns the order of things and no policy; holdings.ts and member-table.ts decide.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #ports: EnginePorts;
  readonly #members: MemberTable;
  readonly #announcing: Announcing;
  readonly #duplicates = new Duplicates();
  readonly #post: SealedPost;
  readonly #listening: Listening;
  #assignment = NOTHING_ASSIGNED;
  #links: readonly HostLink[] = [];
  /** What is assigned and has an interface, by address. */
  #offers: ReadonlyMap<string, Offer> = new Map();
  #holdings: Holdings = new Map();
  /** Where each of the holdings is answered for, even when it is not offered any more. */
  #places: ReadonlyMap<string, readonly string[]> = new Map();
  #keepers: Keepers = new Map();
  #phase: Phase = "starting";
  #tickedAt: number;
  #cancelTick: () => void = () => {};
  #cancelSoon: () => void = () => {};
  #soon = false;
  #pauseUntil = 0;
  #onLeft: () => void = () => {};
  #status = NOTHING_KNOWN;
  #statusText = "";
  #decidedAt = 0;
  /** What the last decision was based on. */
  #outline = "";

  constructor(options: EngineOptions, ports: EnginePorts) {
    this.#options = options;
    this.#ports = ports;
    this.#post = new SealedPost(options.key, ports);
    const now = ports.clock.now();
    this.#members = new MemberTable(options.node, options.epoch, MEMBER_TIMES, now);
    this.#announcing = new Announcing({ ...ports, mayAnnounce: () => this.mayAnswer });
    this.#listening = new Listening(now);
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
    this.#offers = offersOf(assignment, this.#links);
    this.#members.setPeers(assignment.peers.map(({ name }) => name));
    if (assignment.peers.some(({ name }) => !known.has(name))) {
      this.#listening.hearMore(this.#now());
      this.#sendAll(this.#members.announce(this.#now()));
    }
    this.#decide();
  }

  /** The interfaces that face clients, looked at anew. */
  setLinks(links: readonly HostLink[]): void {
    this.#catchUp();
    const before = this.#links;
    if (this.#mayBeReplaced(peersBehind(before, links, this.#assignment.peers)))
      this.#listenAgain(this.#now(), "cutOff");
    this.#announcing.setLinks(links, hasNewPlace(before, links) ? "added" : "same");
    // Most looks are for links of pods that come and go; they must not cost answers about a thousand addresses.
    if (sameHostLinks(links, before)) return;
    this.#links = links;
    this.#offers = offersOf(this.#assignment, links);
    this.#decide();
  }

  /** The members' key was replaced. See memberKeys(). */
  setKey(key: Uint8Array): void {
    this.#post.setKey(key);
  }

  /** @param from Where it came from, for the log. */
  receive(datagram: Uint8Array, from: string): void {
    this.#catchUp();
    const heartbeat = this.#post.open(datagram, from);
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

  /** The hardware address of the member `node` on the network of `link`; undefined when it is not there. */
  macOf(node: string, link: HostLink): Uint8Array | undefined {
    const mac = macOn(link, this.#members.stationsOf(node));
    return mac === undefined ? undefined : parseMac(mac);
  }

  /** Another host on the network uses an address that this node answers for. */
  meet(foreigner: Foreigner): void {
    if (!this.#duplicates.meet(foreigner, this.#now())) return;
    this.#ports.onHappening({ kind: "foreigner", foreigner });
    this.#announcing.defend(foreigner.address);
  }

  /**
   * Hands every address over and says good-bye, or asks the others to answer in this node's name until it is back. Resolves
   * when nothing is answered any more.
   */
  async leave(how: Leaving): Promise<void> {
    const left = new Promise<void>((resolve) => {
      this.#onLeft = resolve;
    });
    this.#phase = how === "pause" ? "pausing" : "leaving";
    this.#pauseUntil = this.#now() + PAUSE_WAIT;
    this.#decide();
    await left;
    if (how === "handOver") this.#members.setOwn("left", new Map(), NO_STATIONS);
    this.#sendAll(this.#members.announce(this.#now()));
    this.#cancelTick();
    this.#cancelSoon();
    this.#announcing.stop();
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
      if (this.#phase === "starting") this.#listening.goOn(now, gap - MEMBER_TIMES.tick);
      else this.#listenAgain(now, "heldUp");
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

  /** True when one of `names` was not heard for so long that it may have taken over. */
  #mayBeReplaced(names: readonly string[]): boolean {
    const isHeard = ({ reach, silence }: Peer) => reach === "alive" && silence < HELD_UP;
    return this.#members.peers(this.#now()).some((peer) => names.includes(peer.name) && !isHeard(peer));
  }

  /** Others may have taken this node for dead: it answers for nothing until it has heard what they did. */
  #listenAgain(now: number, cause: "cutOff" | "heldUp"): void {
    if (this.#isEnding()) return;
    if (this.#phase === "starting") {
      this.#listening.hearMore(now);
      return;
    }
    const held = [...this.#holdings].filter(([, { stance }]) => stance === "holds" || stance === "handsOver");
    this.#listening.beginAgain(
      now,
      cause,
      held.map(([address]) => address),
    );
    this.#announcing.apply(this.#holdings, new Map(), () => []);
    this.#holdings = new Map();
    this.#phase = "starting";
  }

  #isEnding(): boolean {
    return this.#phase === "leaving" || this.#phase === "pausing";
  }

  /** Decides if another member changed, or if time alone may change something. */
  #decideOnNews(): void {
    const now = this.#now();
    const due = (at: number) => at > this.#decidedAt && at <= now;
    const waits =
      this.#phase !== "running" ||
      [...this.#holdings.values()].some(({ until = 0, takesAt = 0 }) => due(until) || due(takesAt));
    if (waits || this.#members.outline(now) !== this.#outline) this.#decide();
  }

  /** Decides on what came in, once for all that comes at the same time. */
  #decideSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    this.#cancelSoon = this.#ports.clock.after(SOON, () => {
      this.#soon = false;
      this.#catchUp();
      this.#decideOnNews();
    });
  }

  /** Brings everything in line with what is known now. */
  #decide(): void {
    const now = this.#now();
    this.#outline = this.#members.outline(now);
    this.#decidedAt = now;
    const peers = this.#members.peers(now);
    const before = this.#holdings;
    if (this.#phase !== "pausing") this.#holdings = this.#decideHoldings(peers, now);
    this.#follow(before, peers, now);
    if (this.#phase === "leaving" && this.#holdings.size === 0) this.#onLeft();
    if (this.#phase === "pausing" && (now >= this.#pauseUntil || this.#isCovered(peers))) this.#onLeft();
  }

  #decideHoldings(peers: readonly Peer[], now: number): Holdings {
    const begins = this.#phase === "starting" && this.#assignment.settled && this.#listening.isOver(now, peers);
    if (begins) this.#phase = "running";
    return decideHoldings({
      self: this.#options.node,
      wanted: this.#phase === "running" ? this.#offers : new Map(),
      peers,
      before: this.#holdings,
      resume: (address) => begins && this.#listening.mayResume(address, peers),
      canStandIn: (address, holder) => this.#canStandIn(address, holder),
      now,
    });
  }

  #canStandIn(address: string, holder: string): boolean {
    const { interfaces = [] } = this.#offers.get(address) ?? {};
    return this.#links.some((link) => interfaces.includes(link.name) && this.macOf(holder, link) !== undefined);
  }

  /** Does and tells what the decision says. */
  #follow(before: Holdings, peers: readonly Peer[], now: number): void {
    const places = this.#places;
    const placeOf = (address: string) => this.#offers.get(address)?.interfaces ?? places.get(address) ?? [];
    this.#places = new Map([...this.#holdings.keys()].map((address) => [address, placeOf(address)]));
    this.#announcing.apply(before, this.#holdings, placeOf);
    this.#keepers = keepersOf(this.#keepers, this.#holdings.keys(), peers);
    const held = [...this.#holdings].filter(([, { stance }]) => stance === "holds").map(([address]) => address);
    this.#duplicates.setHeld(new Set(held), now);
    this.#publish();
    for (const { event, fields, message } of changesOf(before, this.#holdings)) {
      this.#ports.onLog("info", event, fields, message);
    }
    const losses = lossesOf(this.#status.members, peers, MEMBER_TIMES.deadAfter);
    const happenings = [...losses, ...takesOf(before, this.#holdings, this.#status, peers)];
    this.#tellStatus(peers);
    for (const happening of happenings) this.#ports.onHappening(happening);
  }

  /** True when others answer for all that this node holds, or nobody is there to do it. */
  #isCovered(peers: readonly Peer[]): boolean {
    const others = peers.filter(({ reach }) => reach === "alive");
    const answered = (address: string) =>
      others.some(({ claims }) => ["standsIn", "holds"].includes(claims.get(address)?.stance ?? ""));
    const held = [...this.#holdings].filter(([, { stance }]) => stance === "holds");
    return others.length === 0 || held.every(([address]) => answered(address));
  }

  /** Tells the other members at once what changed. */
  #publish(): void {
    const claims = new Map([...this.#holdings].map(([address, { stance, score }]) => [address, { stance, score }]));
    const isNews = this.#members.setOwn(this.#phase, claims, stationsOf(this.#links));
    if (isNews) this.#sendAll(this.#members.announce(this.#now()));
  }

  #sendAll(outgoing: readonly Outgoing[]): void {
    for (const { to, heartbeat } of outgoing) this.#ports.send(to, this.#post.seal(heartbeat));
  }

  #tellStatus(peers: readonly Peer[]): void {
    const interfacesOf = (address: string) => this.#places.get(address) ?? [];
    this.#status = {
      listening: this.#phase === "starting",
      addresses: addressStatus(this.#options.node, this.#holdings, peers, interfacesOf),
      members: Object.fromEntries(peers.map(({ name, reach }) => [name, reach])),
      keepers: Object.fromEntries(this.#keepers),
      interfaces: this.#links.map(({ name }) => name),
    };
    const text = JSON.stringify(this.#status);
    if (text === this.#statusText) return;
    this.#statusText = text;
    this.#ports.onStatus(this.#status);
  }
}

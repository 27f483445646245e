import type { ChecksumMaker } from "../linux/mod.ts";
import { type Address, printAddress } from "../net/mod.ts";

/** A datagram to send, and who is to make its checksum. */
export interface Question {
  readonly end: Address;
  readonly nonce: string;
  readonly maker: ChecksumMaker;
}

/** The other end of a way through the tunnel. */
export interface TunnelEnd {
  readonly end: Address;
  /** The node's address outside the tunnel: another one is another way. */
  readonly remote: Address;
}

/** A way on which nothing arrives whose checksum is left to the interface. */
export interface Spoiled extends TunnelEnd {
  /** Times in a row. */
  readonly rounds: number;
}

/** What is known of one way. In a round one datagram of each kind is sent, and both are the same but for their nonces. */
interface Way extends TunnelEnd {
  readonly nonces: Readonly<Record<ChecksumMaker, string>>;
  /** When there is something to do next; milliseconds of a monotonic clock, as all times here. */
  due: number;
  /** A round is on; whether its plain datagram was answered. */
  asked: boolean;
  plainAnswered: boolean;
  /** Rounds so far in which only the plain datagram was answered, and without any answer since the last one. */
  losses: number;
  silences: number;
  verified: boolean;
}

/** Milliseconds that answers may take. */
const ROUND = 1000;
/** Rounds that prove it. Where half of all questions are lost at random, a sound way is condemned in 2 of 10,000 cases. */
const PROOF = 8;
/** Milliseconds between rounds with a node that does not answer, at the most: it may be down, or know no such questions. */
const LONGEST_PAUSE = 300_000;
/** Ways asked at one time: in a large cluster a new agent has a thousand. */
const WAYS_AT_ONCE = 32;

/**
 * Finds out whether checksums can be left to the interface. A datagram whose checksum the kernel made (plain) and one whose
 * checksum is left to the interface go to each other end of the tunnel. Once one of the latter is answered, the way is
 * verified and left in peace. If only plain ones are, again and again, packets of pods get lost too. No answer proves nothing.
 */
export class OffloadProbe {
  readonly #draw: () => string;
  readonly #ways = new Map<string, Way>();

  /** @param draw Gives a nonce that nobody can guess. */
  constructor(draw: () => string) {
    this.#draw = draw;
  }

  /** These are all the ways there are. */
  setEnds(ends: readonly TunnelEnd[]): void {
    const wanted = new Map(ends.map((each) => [printAddress(each.end), each]));
    for (const [key, { remote }] of this.#ways) {
      const next = wanted.get(key)?.remote;
      if (next === undefined || printAddress(next) !== printAddress(remote)) this.#ways.delete(key);
    }
    for (const [key, { end, remote }] of wanted) {
      if (!this.#ways.has(key)) this.#ways.set(key, this.#newWay(end, remote));
    }
  }

  /** Knows no ways any more. */
  forget(): void {
    this.#ways.clear();
  }

  #newWay(end: Address, remote: Address): Way {
    const nonces = { kernel: this.#draw(), interface: this.#draw() };
    const nothing = { asked: false, plainAnswered: false, losses: 0, silences: 0, verified: false };
    return { end, remote, nonces, due: 0, ...nothing };
  }

  /** Whether `from` is the other end of a way. */
  knows(from: Address): boolean {
    return this.#ways.has(printAddress(from));
  }

  /** Ends the rounds whose time is over, and begins those that are due. */
  next(now: number): Question[] {
    const due = [...this.#ways.values()].filter((way) => !way.verified && way.due <= now);
    for (const way of due) conclude(way, now);
    return due
      .filter((way) => way.due <= now && way.losses < PROOF)
      .slice(0, WAYS_AT_ONCE)
      .flatMap((way) => ask(way, now));
  }

  answered(from: Address, nonce: string): void {
    const way = this.#ways.get(printAddress(from));
    if (nonce === way?.nonces.interface) way.verified = true; // however late
    if (nonce === way?.nonces.kernel) way.plainAnswered = true;
  }

  /** A question has come from `from`, so that it is there and will answer. */
  heard(from: Address, now: number): void {
    const way = this.#ways.get(printAddress(from));
    if (way !== undefined && !way.asked) way.due = Math.min(way.due, now);
  }

  /** When next() has something to do; Infinity when all ways are verified. */
  nextDue(): number {
    return Math.min(...[...this.#ways.values()].filter(({ verified }) => !verified).map(({ due }) => due));
  }

  /** The first way that is proven to need the kernel's own checksums. */
  spoiled(): Spoiled | undefined {
    const way = [...this.#ways.values()].find(({ verified, losses }) => !verified && losses >= PROOF);
    return way && { end: way.end, remote: way.remote, rounds: way.losses };
  }

  counts(): { readonly verified: number; readonly all: number } {
    return { verified: [...this.#ways.values()].filter(({ verified }) => verified).length, all: this.#ways.size };
  }
}

function conclude(way: Way, now: number): void {
  if (!way.asked) return;
  way.asked = false;
  if (way.plainAnswered) {
    way.losses += 1;
    way.silences = 0;
    return;
  }
  way.silences += 1;
  way.due = now + Math.min(ROUND * 2 ** way.silences, LONGEST_PAUSE);
}

function ask(way: Way, now: number): Question[] {
  way.asked = true;
  way.plainAnswered = false;
  way.due = now + ROUND;
  const question = (maker: ChecksumMaker): Question => ({ end: way.end, nonce: way.nonces[maker], maker });
  // By turns, so that who loses the first of two packets does not always lose the same one.
  return way.losses % 2 === 0
    ? [question("interface"), question("kernel")]
    : [question("kernel"), question("interface")];
}

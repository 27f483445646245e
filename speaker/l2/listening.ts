import type { Peer } from "../member-table.ts";
import { MEMBER_TIMES } from "../member-times.ts";
import { isStoodInFor } from "./holdings.ts";

/** Longest wait for the other members' claims before taking part: as long as one is given up after. Milliseconds, as all here. */
const PATIENCE = MEMBER_TIMES.deadAfter + MEMBER_TIMES.tick;
/** Shortest wait after this node was cut off or held up: what it knows of the others is old, their news is coming in. */
const NEWS = MEMBER_TIMES.period + MEMBER_TIMES.tick;
/** After which what came in while this program was held up has been read. */
const READ = 1;

/** The time in which a node hears what the others hold before it takes part itself. */
export class Listening {
  #from: number;
  #until: number;
  /** What this node held before it listened again. */
  #held: ReadonlySet<string> = new Set();

  /** At the start of the program. */
  constructor(now: number) {
    this.#from = now;
    this.#until = now + PATIENCE;
  }

  /**
   * Others may have taken this node for dead.
   * @param cause After a cut every one of the others is waited for; one that was held up has their news in its sockets.
   * @param held What this node answered for until now.
   */
  beginAgain(now: number, cause: "cutOff" | "heldUp", held: Iterable<string>): void {
    this.#held = new Set(held);
    this.#from = now + NEWS;
    this.#until = now + (cause === "cutOff" ? PATIENCE : NEWS);
  }

  /** Others were named, or a link came by which they may be heard: what they have to say begins to come in now. */
  hearMore(now: number): void {
    this.#until = Math.max(this.#until, now + PATIENCE);
  }

  /** Time in which this program was held up is no time of listening, and what came in meanwhile is yet to be read. */
  goOn(now: number, heldUp: number): void {
    const later = (at: number) => Math.max(at + heldUp, now + READ);
    this.#from = later(this.#from);
    this.#until = later(this.#until);
  }

  /** True once all others are known, or were waited for long enough. */
  isOver(now: number, peers: readonly Peer[]): boolean {
    return now >= this.#from && (now >= this.#until || peers.every(({ known }) => known));
  }

  /** True when this node takes `address` up again where it left it, unless another took it meanwhile. */
  mayResume(address: string, peers: readonly Peer[]): boolean {
    return this.#held.has(address) || isStoodInFor(address, peers);
  }
}

import type { Clock, Log } from "../core/mod.ts";
import type { Backend } from "./backend.ts";

/** Milliseconds between quick looks, however often others change something. */
const LOOK_PAUSE = 250;
/** Milliseconds between quick looks where the kernel does not tell that anything changed. */
const POLL_PAUSE = 500;
/** Milliseconds between whole comparisons, at the least, when others may have changed something that only these tell. */
const CHECK_PAUSE = 500;
/** Milliseconds between whole comparisons when nobody says that anything changed. */
const RESYNC = 300_000;
/** Comparisons that find nothing may take one part in this many of the time: they hold up what is to be written. */
const SHARE = 20;

/** Keeps one backend's rules in the kernel: writes what is new, and notices when others have changed or removed them. */
export class Upkeep {
  readonly #backend: Backend;
  readonly #clock: Clock;
  readonly #log: Log;
  /** What the backend believes of the kernel can be built on. */
  #sound = false;
  #inForce = false;
  #noticed = false;
  #suspect = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checkTook = 0;
  /** Comparisons in a row that suspicion asked for and that found nothing. */
  #futile = 0;

  constructor(backend: Backend, clock: Clock, log: Log) {
    this.#backend = backend;
    this.#clock = clock;
    this.#log = log.child({ family: backend.family });
  }

  /** The rules have been written, and nobody was seen to have removed them since. */
  get inForce(): boolean {
    return this.#inForce;
  }

  /** Somebody else has changed something. */
  notice(): void {
    this.#noticed = true;
  }

  /** Milliseconds until bring() will want to look at the kernel, changes or not. */
  get pause(): number {
    const now = this.#clock.now();
    const look = this.#isLookWanted() ? this.#lookedAt + this.#lookPause() - now : RESYNC;
    return Math.max(0, Math.min(look, this.#checkedAt + this.#checkPause() - now));
  }

  /**
   * Makes the kernel hold all that was asked for. Returns how many things were written, and how many of them because
   * others had taken or changed them.
   * @throws {IronbridgeError} IB_KERNEL_REFUSED
   */
  async bring(): Promise<{ readonly written: number; readonly repaired: number }> {
    const wasInForce = this.#inForce;
    const seen = await this.#look();
    const isCheckDue = this.#clock.now() >= this.#checkedAt + this.#checkPause();
    const differing = seen + (this.#sound && !isCheckDue ? 0 : await this.#check());
    if (wasInForce && this.#inForce && differing > 0) {
      const event = "proxy.rules.changed";
      this.#log.warn({ event, differing }, "others have changed the rules in the kernel, putting them right");
    }
    this.#sound = false;
    const written = await this.#backend.write();
    this.#sound = true;
    this.#inForce = true;
    return { written, repaired: wasInForce ? differing : 0 };
  }

  /** Returns how many things others have changed, as far as a look tells. */
  async #look(): Promise<number> {
    const now = this.#clock.now();
    if (!this.#isLookWanted() || now < this.#lookedAt + this.#lookPause()) return 0;
    this.#noticed = false;
    this.#lookedAt = now;
    const { condition, differing } = await this.#backend.inspect();
    if (condition === "touched") this.#suspect = true;
    if (condition !== "broken") return differing;
    if (this.#inForce)
      this.#log.warn({ event: "proxy.rules.lost" }, "the rules are gone from the kernel, writing them again");
    this.#sound = false;
    this.#inForce = false;
    return differing;
  }

  async #check(): Promise<number> {
    const start = this.#clock.now();
    const wasSuspect = this.#suspect;
    this.#suspect = false;
    const differing = await this.#backend.check();
    this.#checkedAt = this.#clock.now();
    this.#checkTook = this.#checkedAt - start;
    this.#futile = wasSuspect && differing === 0 ? this.#futile + 1 : 0;
    return differing;
  }

  #isLookWanted(): boolean {
    return this.#noticed || this.#backend.drift === "polled";
  }

  #lookPause(): number {
    return this.#backend.drift === "polled" ? POLL_PAUSE : LOOK_PAUSE;
  }

  /** Suspicion that was right is followed at once again; after each that was wrong it is left alone for twice as long. */
  #checkPause(): number {
    if (!this.#suspect) return Math.max(RESYNC, SHARE * this.#checkTook);
    return Math.max(CHECK_PAUSE, Math.min(SHARE, 2 ** this.#futile - 1) * this.#checkTook);
  }
}

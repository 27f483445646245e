import type { Clock } from "../../core/mod.ts";
import {
  BgpErrorCode,
  type BgpNotification,
  type BgpUpdate,
  CeaseError,
  endOfRibOf,
  type Family,
  type Prefix,
} from "../../net/mod.ts";
import type { Agreement, PeerRestart } from "./agreement.ts";
import { type HeardRoute, type Receiver, RibIn } from "./rib-in.ts";

export interface LearningPorts {
  readonly clock: Clock;
  /** Prefixes that routes of the peer are taken within; undefined: none are taken. */
  readonly learnWithin: () => readonly Prefix[] | undefined;
  /** What the peer told is other than before. */
  readonly onLearned: () => void;
  /** The peer tells more routes than are taken: called once in each session. */
  readonly onOverflow: () => void;
}

const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];

/** What one peer tells of the ways to pods, over its restarts: this side is the helper of RFC 4724 section 4.2. */
export class Learning {
  readonly #ports: LearningPorts;
  readonly #rib = new RibIn();
  /** Families of which the peer has told all routes since the session is up. */
  readonly #heardAll = new Set<Family>();
  /** How the peer restarts, as it said when the session came up. */
  #restart: PeerRestart | undefined;
  #cancelWait = () => {};

  constructor(ports: LearningPorts) {
    this.#ports = ports;
  }

  /** Those told before the session was lost included, while the peer restarts. */
  get routes(): Iterable<HeardRoute> {
    return this.#rib.routes;
  }

  /** The peer tells more routes than are taken. */
  get overflowed(): boolean {
    return this.#rib.overflowed;
  }

  /** The peer has told everything of these families. */
  isComplete(families: readonly Family[]): boolean {
    return families.every((family) => this.#heardAll.has(family));
  }

  hear(update: BgpUpdate, receiver: Receiver): void {
    const within = this.#ports.learnWithin();
    if (within === undefined) return;
    const { overflowed } = this.#rib;
    const ended = endOfRibOf(update);
    if (ended !== undefined) {
      this.#heardAll.add(ended);
      this.#rib.flush([ended]);
    }
    if (this.#rib.hear(update, within, receiver) || ended !== undefined) this.#ports.onLearned();
    if (this.#rib.overflowed && !overflowed) this.#ports.onOverflow();
  }

  /** The session is up: of the families that the peer did not go on forwarding by, nothing older counts. */
  start({ families, peerRestart }: Agreement): void {
    this.#cancelWait();
    const preserved = peerRestart?.preserved ?? [];
    const lost = FAMILIES.filter((family) => !families.includes(family) || !preserved.includes(family));
    if (this.#rib.flush(lost)) this.#ports.onLearned();
    this.#restart = peerRestart;
  }

  /**
   * The session is lost: a peer that can restart gets its time; what others told is void.
   * @param notification What ended it, from whichever side; undefined: the connection broke.
   */
  lose(notification?: BgpNotification): void {
    this.#heardAll.clear();
    if (this.#restart === undefined || isFinal(notification, this.#restart)) {
      this.stop();
      return;
    }
    this.#rib.lose();
    this.#cancelWait();
    this.#cancelWait = this.#ports.clock.after(this.#restart.time, () => this.stop());
  }

  /** Nothing that the peer told counts any more. */
  stop(): void {
    this.#cancelWait();
    this.#rib.lose();
    if (this.#rib.flush(FAMILIES)) this.#ports.onLearned();
  }
}

/** After this NOTIFICATION nothing is kept: RFC 4724 section 4.2, RFC 8538 section 4. */
function isFinal(notification: BgpNotification | undefined, restart: PeerRestart): boolean {
  if (notification === undefined) return false;
  const { code, subcode } = notification;
  return !restart.notification || (code === BgpErrorCode.Cease && subcode === CeaseError.HardReset);
}

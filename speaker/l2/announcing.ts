import type { Clock } from "../../core/mod.ts";
import { GratuitousSchedule } from "./gratuitous.ts";
import type { Holding, Holdings } from "./holdings.ts";
import type { HostLink } from "./interfaces.ts";
import type { Answer, Responder } from "./responder.ts";

export interface AnnouncingPorts {
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly responder: Responder;
  /** False while announcing could make two owners: this program was held up and others may have taken over. */
  readonly mayAnnounce: () => boolean;
}

/**
 * Addresses announced in one go, and milliseconds until the next go: a thousand addresses at once would overrun the
 * receivers (net.core.netdev_max_backlog is 1,000 packets), and questions that come in meanwhile want an answer.
 */
const AT_ONCE = 32;
const PAUSE = 2;

/** Drives the responder: what it answers for, and the announcements nobody asked for, in their rhythm. */
export class Announcing {
  readonly #ports: AnnouncingPorts;
  readonly #schedule: GratuitousSchedule;
  readonly #queue = new Set<string>();
  #cancelRound: () => void = () => {};

  constructor(ports: AnnouncingPorts) {
    this.#ports = ports;
    this.#schedule = new GratuitousSchedule(ports.random);
  }

  /** @param linksAdded "added" when one of them has to be told of, see hasNewPlace(): all is announced anew. */
  setLinks(links: readonly HostLink[], linksAdded: "added" | "same"): void {
    this.#ports.responder.setLinks(links);
    if (linksAdded === "added") this.#schedule.restart(this.#ports.clock.now());
    this.#round();
  }

  /** Answers for what is held from now on, and announces what is new. */
  apply(before: Holdings, after: Holdings, interfacesOf: (address: string) => readonly string[]): void {
    const answers = new Map<string, Answer>();
    for (const [address, { stance, inNameOf }] of after) {
      if (stance === "ready") continue;
      const interfaces = interfacesOf(address);
      answers.set(address, inNameOf === undefined ? { interfaces } : { interfaces, inNameOf });
    }
    this.#ports.responder.setAnswers(answers);

    for (const address of this.#schedule.addresses()) {
      if (after.get(address)?.stance === "holds") continue;
      this.#schedule.stop(address);
      this.#queue.delete(address);
    }
    let started = false;
    for (const [address, holding] of after) {
      if (!mustAnnounce(before.get(address), holding)) continue;
      this.#schedule.start(address, this.#ports.clock.now());
      started = true;
    }
    if (started) this.#round();
  }

  /** Says once more that `address` is here: somebody else said that it is there. */
  defend(address: string): void {
    this.#ports.responder.announce(address);
  }

  stop(): void {
    this.#cancelRound();
  }

  /** Sends the announcements that are due, a few at a time, and sleeps until the next. */
  #round(): void {
    const now = this.#ports.clock.now();
    for (const address of this.#schedule.take(now)) this.#queue.add(address);
    const some = this.#ports.mayAnnounce() ? [...this.#queue].slice(0, AT_ONCE) : [];
    for (const address of some) {
      this.#queue.delete(address);
      this.#ports.responder.announce(address);
    }
    this.#cancelRound();
    const next = this.#queue.size > 0 ? now + PAUSE : this.#schedule.next();
    if (next === undefined) return;
    this.#cancelRound = this.#ports.clock.after(Math.max(1, next - now), () => this.#round());
  }
}

/** A new holder announces itself, and one that was contested does so again when the other gave way. */
function mustAnnounce(before: Holding | undefined, after: Holding): boolean {
  if (after.stance !== "holds") return false;
  return before?.stance !== "holds" || before.contested !== after.contested;
}

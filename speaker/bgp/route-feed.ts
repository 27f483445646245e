import type { OfferedRoute } from "./route.ts";
import type { RouteChange } from "./route-view.ts";

export interface RouteFeedPorts {
  /** Hands a piece over; taken() is to be called once it was worked through. */
  readonly send: (change: RouteChange) => void;
  /** Everything was worked through. */
  readonly onEmpty: () => void;
}

/** Routes of one piece: some milliseconds of work with eight peers. */
const PIECE = 200;

/** Hands changes of routes to the thread that keeps time piece by piece, so that it never misses its peers for them. */
export class RouteFeed {
  readonly #ports: RouteFeedPorts;
  /** By prefix: the route as it should be; undefined: it goes. */
  readonly #waiting = new Map<string, OfferedRoute | undefined>();
  #underWay = false;

  constructor(ports: RouteFeedPorts) {
    this.#ports = ports;
  }

  get isEmpty(): boolean {
    return !this.#underWay && this.#waiting.size === 0;
  }

  put({ set, remove }: RouteChange): void {
    for (const key of remove) this.#waiting.set(key, undefined);
    for (const route of set) this.#waiting.set(route.key, route);
    this.#sendNext();
  }

  taken(): void {
    this.#underWay = false;
    this.#sendNext();
    if (this.isEmpty) this.#ports.onEmpty();
  }

  #sendNext(): void {
    if (this.#underWay || this.#waiting.size === 0) return;
    const set: OfferedRoute[] = [];
    const remove: string[] = [];
    for (const [key, route] of this.#waiting) {
      if (set.length + remove.length === PIECE) break;
      this.#waiting.delete(key);
      if (route === undefined) remove.push(key);
      else set.push(route);
    }
    this.#underWay = true;
    this.#ports.send({ set, remove });
  }
}

import type { PodRoutes } from "../cni/mod.ts";
import type { LearnedRoutes } from "../speaker/mod.ts";

/** Where the BGP speaker leaves the ways to other nodes' pods, and the pod network finds them. */
export class PodRouteBoard implements PodRoutes {
  #current: LearnedRoutes = { routes: [], complete: false };
  readonly #listeners = new Set<() => void>();

  readonly install = (learned: LearnedRoutes): void => {
    this.#current = learned;
    for (const listener of this.#listeners) listener();
  };

  current(): LearnedRoutes {
    return this.#current;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

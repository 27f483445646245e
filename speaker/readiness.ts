/**
 * How long a Service that was in the kernel counts as ready while its rules are being written anew. Rules change with every
 * endpoint, and rules deleted by hand come back by themselves; an address must not move for either.
 */
const KEEP_READY = 3000;

/** Which Services this node is ready for: their rules are in the kernel, or were until a moment ago. */
export class Readiness {
  readonly #seenAt = new Map<string, number>();

  /** @returns When to look again, in milliseconds from now, if a Service is only kept ready; else undefined. */
  update(services: readonly string[], programmed: (service: string) => boolean, now: number): number | undefined {
    const wanted = new Set(services);
    for (const service of this.#seenAt.keys()) if (!wanted.has(service)) this.#seenAt.delete(service);
    let again: number | undefined;
    for (const service of wanted) {
      if (programmed(service)) {
        this.#seenAt.set(service, now);
        continue;
      }
      const seenAt = this.#seenAt.get(service);
      if (seenAt === undefined) continue;
      const left = seenAt + KEEP_READY - now;
      if (left <= 0) this.#seenAt.delete(service);
      else again = Math.min(again ?? left, left);
    }
    return again;
  }

  isReady(service: string): boolean {
    return this.#seenAt.has(service);
  }
}

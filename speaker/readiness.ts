/**
 * How long a Service that was in the kernel counts as ready while its rules are being written anew. Rules change with every
 * endpoint, and rules deleted by hand come back by themselves; an address must not move for either.
 */
const KEEP_READY = 3000;

/** Says whether the kernel has the rules of a Service. */
export type Programmed = (service: string) => boolean;

/** Which Services this node is ready for: their rules are in the kernel, or were until a moment ago. */
export class Readiness {
  readonly #ready = new Set<string>();
  /** Since when the rules of a Service are not there, milliseconds of the caller's clock. */
  readonly #missing = new Map<string, number>();

  /**
   * Looks at exactly these Services, and forgets others.
   * @returns When to look again, in milliseconds from now, if a Service is only kept ready; else undefined.
   */
  update(services: readonly string[], programmed: Programmed, now: number): number | undefined {
    const wanted = new Set(services);
    for (const service of [...this.#ready, ...this.#missing.keys()]) if (!wanted.has(service)) this.forget(service);
    for (const service of wanted) this.look(service, programmed, now);
    return this.pause(now);
  }

  /** Looks at one Service. True when isReady() says something else of it now. */
  look(service: string, programmed: Programmed, now: number): boolean {
    const was = this.#ready.has(service);
    if (programmed(service)) {
      this.#missing.delete(service);
      this.#ready.add(service);
      return !was;
    }
    const since = this.#missing.get(service) ?? now;
    this.#missing.set(service, since);
    return now - since >= KEEP_READY && this.#ready.delete(service);
  }

  /** This node need not be ready for it. */
  forget(service: string): void {
    this.#ready.delete(service);
    this.#missing.delete(service);
  }

  isReady(service: string): boolean {
    return this.#ready.has(service);
  }

  /** Services whose rules were not there at the last look. */
  get missing(): readonly string[] {
    return [...this.#missing.keys()];
  }

  /** True when this node is ready for every Service it looked at. */
  get complete(): boolean {
    for (const service of this.#missing.keys()) if (!this.#ready.has(service)) return false;
    return true;
  }

  /** Milliseconds until the first Service that is only kept ready is so no longer; undefined: there is none. */
  pause(now: number): number | undefined {
    let pause: number | undefined;
    for (const [service, since] of this.#missing) {
      if (!this.#ready.has(service)) continue;
      pause = Math.min(pause ?? KEEP_READY, since + KEEP_READY - now);
    }
    return pause;
  }
}

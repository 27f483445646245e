import type { Family, Prefix } from "../../net/mod.ts";
import { attributesKey, type RouteAttributes } from "./route.ts";

/** Routes with the same attributes, to be told together. */
export interface Announcement {
  readonly family: Family;
  readonly attributes: RouteAttributes;
  readonly prefixes: readonly Prefix[];
}

export interface RibChange {
  readonly withdraw: Readonly<Record<Family, readonly Prefix[]>>;
  readonly announce: readonly Announcement[];
}

interface Entry {
  readonly prefix: Prefix;
  readonly attributes: RouteAttributes;
  readonly text: string;
}

/**
 * What one peer should know and what it was told. Work is proportional to what changed: only those routes are looked at.
 */
export class RibOut {
  readonly #wanted = new Map<string, Entry>();
  readonly #told = new Map<string, Entry>();
  readonly #changed = new Set<string>();

  /** Number of routes the peer was told. */
  get told(): number {
    return this.#told.size;
  }

  /** Number of routes it has yet to be told of. */
  get pending(): number {
    return this.#changed.size;
  }

  /** @param attributes Undefined: the peer should not know the route. */
  set(key: string, prefix: Prefix, attributes: RouteAttributes | undefined): void {
    if (attributes === undefined) this.#wanted.delete(key);
    else this.#wanted.set(key, { prefix, attributes, text: attributesKey(prefix.family, attributes) });
    if (this.#wanted.get(key)?.text === this.#told.get(key)?.text) this.#changed.delete(key);
    else this.#changed.add(key);
  }

  /** The session is new: the peer knows nothing. */
  reset(): void {
    this.#told.clear();
    this.#changed.clear();
    for (const key of this.#wanted.keys()) this.#changed.add(key);
  }

  /** The peer is to be told everything of these families again. */
  resend(families: readonly Family[]): void {
    for (const [key, { prefix }] of this.#wanted) {
      if (!families.includes(prefix.family)) continue;
      this.#told.delete(key);
      this.#changed.add(key);
    }
  }

  /**
   * At most `limit` of the changes, which count as told from now on.
   * @param families Routes of other families are not for this session.
   */
  take(families: readonly Family[], limit: number): RibChange {
    const withdraw: Record<Family, Prefix[]> = { ipv4: [], ipv6: [] };
    const groups = new Map<string, Announcement & { readonly prefixes: Prefix[] }>();
    let taken = 0;
    for (const key of this.#changed) {
      if (taken++ >= limit) break;
      this.#changed.delete(key);
      const wanted = this.#wanted.get(key);
      const told = this.#told.get(key);
      if (wanted === undefined) {
        this.#told.delete(key);
        if (told !== undefined) withdraw[told.prefix.family].push(told.prefix);
        continue;
      }
      const { prefix, attributes, text } = wanted;
      if (!families.includes(prefix.family)) continue;
      this.#told.set(key, wanted);
      const group = groups.get(text);
      if (group === undefined) groups.set(text, { family: prefix.family, attributes, prefixes: [prefix] });
      else group.prefixes.push(prefix);
    }
    return { withdraw, announce: [...groups.values()] };
  }
}

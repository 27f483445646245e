/** Who asks for rules. Where two ask for different things at one place, the older one gets it. */
export interface Owner {
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly created: number;
}

/**
 * One thing in the kernel: an element of an nft map, a rule of an iptables chain.
 * Shared items say the same whoever asks for them; of sole items there can be only one at a key.
 */
export interface Item {
  /** What it is part of: a map, a set, a chain. */
  readonly object: string;
  readonly key: string;
  readonly value: string;
  readonly claim: "sole" | "shared";
}

interface Entry {
  value: string;
  /** Of a sole item: who has the place. */
  owner: Owner;
  /** Of a shared item: how many ask for it. */
  claims: number;
  /** Who asks for the place of a sole item in vain, by owner key. */
  waiting?: Map<string, { readonly owner: Owner; readonly value: string }>;
}

/** Object, then key, then what the kernel holds there; only where that is not what is wanted. */
export type Unwritten = ReadonlyMap<string, ReadonlyMap<string, string | undefined>>;

/**
 * All that should be in the kernel, and which part of it is not there yet.
 * Pure bookkeeping: what a change costs depends on what its owner asks for, not on how much there is.
 */
export class Ledger {
  readonly #entries = new Map<string, Map<string, Entry>>();
  readonly #owned = new Map<string, readonly Item[]>();
  #unwritten = new Map<string, Map<string, string | undefined>>();

  /** From now on `owner` wants exactly `items`. */
  replace(owner: Owner, items: readonly Item[]): void {
    const next = new Map(items.map((item) => [idOf(item), item]));
    const held = new Set<string>();
    for (const item of this.#owned.get(owner.key) ?? []) {
      if (next.has(idOf(item))) held.add(idOf(item));
      else this.#release(owner, item);
    }
    for (const [id, item] of next) {
      if (item.claim === "sole" || !held.has(id)) this.#claim(owner, item);
    }
    if (next.size === 0) this.#owned.delete(owner.key);
    else this.#owned.set(owner.key, [...next.values()]);
  }

  /** What should be in `object`, by key; of shared things the owner is the first that asked. */
  wanted(object: string): ReadonlyMap<string, { readonly value: string; readonly owner: Owner }> {
    return this.#entries.get(object) ?? new Map();
  }

  /** Every object in which anything is wanted. */
  objects(): readonly string[] {
    return [...this.#entries.keys()];
  }

  unwritten(): Unwritten {
    return this.#unwritten;
  }

  /** How many things are not written yet. */
  get backlog(): number {
    return [...this.#unwritten.values()].reduce((sum, keys) => sum + keys.size, 0);
  }

  /** The kernel holds what is wanted. */
  markWritten(): void {
    this.#unwritten = new Map();
  }

  /** The kernel was seen to hold `held` in `object`, whatever was believed before. */
  markSeen(object: string, held: ReadonlyMap<string, string>): void {
    this.#unwritten.delete(object);
    const wanted = this.wanted(object);
    for (const [key, entry] of wanted) {
      if (held.get(key) !== entry.value) this.#note(object, key, held.get(key));
    }
    for (const [key, value] of held) {
      if (!wanted.has(key)) this.#note(object, key, value);
    }
  }

  #claim(owner: Owner, item: Item): void {
    const entry = this.#entries.get(item.object)?.get(item.key);
    if (entry === undefined) this.#set(item, { value: item.value, owner, claims: 1 });
    else if (item.claim === "shared") entry.claims++;
    else if (entry.owner.key === owner.key) this.#give(item, entry, owner, item.value);
    else if (isOlder(owner, entry.owner)) {
      wait(entry, entry.owner, entry.value);
      entry.waiting?.delete(owner.key);
      this.#give(item, entry, owner, item.value);
    } else wait(entry, owner, item.value);
  }

  #release(owner: Owner, item: Item): void {
    const entry = this.#entries.get(item.object)?.get(item.key);
    if (entry === undefined) return;
    if (item.claim === "shared") {
      entry.claims--;
      if (entry.claims === 0) this.#delete(item, entry);
    } else if (entry.owner.key !== owner.key) {
      entry.waiting?.delete(owner.key);
    } else {
      this.#passOn(item, entry);
    }
  }

  /** The owner of a sole item has given it up: the oldest of those who wait gets the place. */
  #passOn(item: Item, entry: Entry): void {
    const [first, ...rest] = entry.waiting?.values() ?? [];
    if (first === undefined) {
      this.#delete(item, entry);
      return;
    }
    const heir = rest.reduce((oldest, other) => (isOlder(other.owner, oldest.owner) ? other : oldest), first);
    entry.waiting?.delete(heir.owner.key);
    this.#give(item, entry, heir.owner, heir.value);
  }

  #give(item: Item, entry: Entry, owner: Owner, value: string): void {
    entry.owner = owner;
    if (entry.value === value) return;
    this.#note(item.object, item.key, entry.value);
    entry.value = value;
    this.#forgetIfSame(item.object, item.key, value);
  }

  #set(item: Item, entry: Entry): void {
    const keys = this.#entries.get(item.object) ?? new Map<string, Entry>();
    this.#entries.set(item.object, keys);
    keys.set(item.key, entry);
    this.#note(item.object, item.key, undefined);
    this.#forgetIfSame(item.object, item.key, entry.value);
  }

  #delete(item: Item, entry: Entry): void {
    const keys = this.#entries.get(item.object);
    keys?.delete(item.key);
    if (keys?.size === 0) this.#entries.delete(item.object);
    this.#note(item.object, item.key, entry.value);
    this.#forgetIfSame(item.object, item.key, undefined);
  }

  /** Remembers what the kernel holds, unless an earlier change not yet written remembers it already. */
  #note(object: string, key: string, held: string | undefined): void {
    const keys = this.#unwritten.get(object) ?? new Map<string, string | undefined>();
    this.#unwritten.set(object, keys);
    if (!keys.has(key)) keys.set(key, held);
  }

  /** A change taken back before it was written is no change. */
  #forgetIfSame(object: string, key: string, wanted: string | undefined): void {
    const keys = this.#unwritten.get(object);
    if (keys === undefined || keys.get(key) !== wanted) return;
    keys.delete(key);
    if (keys.size === 0) this.#unwritten.delete(object);
  }
}

function idOf(item: Item): string {
  return `${item.object} ${item.key}`;
}

function isOlder(a: Owner, b: Owner): boolean {
  return a.created === b.created ? a.key < b.key : a.created < b.created;
}

function wait(entry: Entry, owner: Owner, value: string): void {
  entry.waiting ??= new Map();
  entry.waiting.set(owner.key, { owner, value });
}

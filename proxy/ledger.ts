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

/** What the kernel holds at one key of an object, and what it should hold; undefined is nothing. */
export interface Change {
  readonly object: string;
  readonly key: string;
  readonly held: string | undefined;
  readonly wanted: string | undefined;
}

/** What is, or was until the last write, at one key. */
interface Entry extends Change {
  readonly home: Home;
  held: string | undefined;
  wanted: string | undefined;
  /** Of a sole item: who has the place. Of a shared one: who asked for it first. */
  owner: Owner;
  /** Of a shared item: how many ask for it. */
  claims: number;
  /** Who asks for the place of a sole item in vain, by owner key. */
  waiting?: Map<string, { readonly owner: Owner; readonly value: string }>;
  /** Which run over many entries met it last. */
  mark: number;
  /** It is in `changed` of its home. */
  listed: boolean;
}

/** All entries of one object. */
interface Home {
  readonly entries: Map<string, Entry>;
  /** How many of them are wanted. */
  size: number;
  /** Those that differ from what the kernel holds, and those that did since the last write and no longer do. */
  changed: Entry[];
}

/** A reading of what the kernel holds in one object. */
export interface Reading {
  see(key: string, value: string): void;
  /** Everything has been seen: what was not is not there. */
  end(): void;
}

/**
 * All that should be in the kernel, and which part of it is not there yet.
 * Pure bookkeeping: what a change costs depends on what its owner asks for, not on how much there is.
 */
export class Ledger {
  readonly #homes = new Map<string, Home>();
  readonly #owned = new Map<string, readonly Entry[]>();
  readonly #changed = new Map<string, Home>();
  #backlog = 0;
  #lastMark = 0;

  /** From now on `owner` wants exactly `items`; of two for one place the last. */
  replace(owner: Owner, items: readonly Item[]): void {
    const before = this.#owned.get(owner.key) ?? [];
    const [old, met] = [this.#newMark(), this.#newMark()];
    for (const entry of before) entry.mark = old;
    const owned: Entry[] = [];
    for (const { object, key, value, claim } of items) {
      const entry = this.#entryOf(object, key, owner);
      const isFirst = entry.mark !== met;
      if (claim === "sole") this.#claim(entry, owner, value);
      else if (isFirst && entry.mark !== old) this.#share(entry, owner, value);
      if (isFirst) owned.push(entry);
      entry.mark = met;
    }
    for (const entry of before) if (entry.mark === old) this.#release(entry, owner);
    if (owned.length === 0) this.#owned.delete(owner.key);
    else this.#owned.set(owner.key, owned);
  }

  /** Who has this place, undefined when nobody wants it. */
  ownerOf(object: string, key: string): Owner | undefined {
    const entry = this.#homes.get(object)?.entries.get(key);
    return entry?.wanted === undefined ? undefined : entry.owner;
  }

  wanted(object: string, key: string): string | undefined {
    return this.#homes.get(object)?.entries.get(key)?.wanted;
  }

  /** How many things are wanted in `object`. */
  size(object: string): number {
    return this.#homes.get(object)?.size ?? 0;
  }

  /** All that is wanted in `object`. */
  *items(object: string): Iterable<readonly [key: string, value: string]> {
    for (const { key, wanted } of this.#homes.get(object)?.entries.values() ?? []) {
      if (wanted !== undefined) yield [key, wanted];
    }
  }

  /** Every object in which anything is wanted. */
  objects(): readonly string[] {
    return [...this.#homes].filter(([, { size }]) => size > 0).map(([object]) => object);
  }

  /** Every object that is not as it should be. */
  changedObjects(): readonly string[] {
    return [...this.#changed.keys()].filter((object) => this.changes(object).length > 0);
  }

  /** What is not written yet. */
  changes(object: string): readonly Change[] {
    return (this.#changed.get(object)?.changed ?? []).filter(isDifferent);
  }

  /** How many things are not written yet. */
  get backlog(): number {
    return this.#backlog;
  }

  /** The kernel holds what is wanted. */
  markWritten(): void {
    for (const [object, home] of this.#changed) {
      for (const entry of home.changed) {
        entry.listed = false;
        entry.held = entry.wanted;
        if (entry.wanted === undefined) home.entries.delete(entry.key);
      }
      home.changed = [];
      if (home.entries.size === 0) this.#homes.delete(object);
    }
    this.#changed.clear();
    this.#backlog = 0;
  }

  /** The kernel was seen to hold `held` in `object`, whatever was believed before. */
  markSeen(object: string, held: Iterable<readonly [key: string, value: string]>): void {
    const reading = this.read(object);
    for (const [key, value] of held) reading.see(key, value);
    reading.end();
  }

  /** As markSeen(), bit by bit. Nothing else may be asked of the ledger before its end. */
  read(object: string): Reading {
    const mark = this.#newMark();
    return {
      see: (key, value) => {
        const entry = this.#entryOf(object, key, NOBODY);
        entry.mark = mark;
        this.#set(entry, entry.wanted, value);
      },
      end: () => {
        for (const entry of this.#homes.get(object)?.entries.values() ?? []) {
          if (entry.mark !== mark) this.#set(entry, entry.wanted, undefined);
        }
      },
    };
  }

  /** The kernel was seen to hold `held` at one key. */
  markHeld(object: string, key: string, held: string | undefined): void {
    const entry = this.#entryOf(object, key, NOBODY);
    this.#set(entry, entry.wanted, held);
  }

  #newMark(): number {
    this.#lastMark++;
    return this.#lastMark;
  }

  #entryOf(object: string, key: string, owner: Owner): Entry {
    const home = this.#homeOf(object);
    const known = home.entries.get(key);
    if (known !== undefined) return known;
    const entry = emptyEntry(home, object, key, owner);
    home.entries.set(key, entry);
    return entry;
  }

  #homeOf(object: string): Home {
    const known = this.#homes.get(object);
    if (known !== undefined) return known;
    const home: Home = { entries: new Map(), size: 0, changed: [] };
    this.#homes.set(object, home);
    return home;
  }

  #claim(entry: Entry, owner: Owner, value: string): void {
    if (entry.wanted === undefined || entry.owner.key === owner.key) this.#give(entry, owner, value);
    else if (isOlder(owner, entry.owner)) {
      wait(entry, entry.owner, entry.wanted);
      entry.waiting?.delete(owner.key);
      this.#give(entry, owner, value);
    } else wait(entry, owner, value);
  }

  #share(entry: Entry, owner: Owner, value: string): void {
    entry.claims++;
    if (entry.claims === 1) this.#give(entry, owner, value);
  }

  #release(entry: Entry, owner: Owner): void {
    if (entry.claims > 0) {
      entry.claims--;
      if (entry.claims === 0) this.#set(entry, undefined, entry.held);
    } else if (entry.owner.key === owner.key) this.#passOn(entry);
    else entry.waiting?.delete(owner.key);
  }

  /** The owner of a sole item has given it up: the oldest of those who wait gets the place. */
  #passOn(entry: Entry): void {
    const [first, ...rest] = entry.waiting?.values() ?? [];
    if (first === undefined) {
      this.#set(entry, undefined, entry.held);
      return;
    }
    const heir = rest.reduce((oldest, other) => (isOlder(other.owner, oldest.owner) ? other : oldest), first);
    entry.waiting?.delete(heir.owner.key);
    this.#give(entry, heir.owner, heir.value);
  }

  #give(entry: Entry, owner: Owner, value: string): void {
    entry.owner = owner;
    this.#set(entry, value, entry.held);
  }

  /** The one place where an entry changes. A change taken back before it was written is no change. */
  #set(entry: Entry, wanted: string | undefined, held: string | undefined): void {
    const { home, object } = entry;
    const wasDifferent = isDifferent(entry);
    const differs = held !== wanted;
    home.size += Number(wanted !== undefined) - Number(entry.wanted !== undefined);
    this.#backlog += Number(differs) - Number(wasDifferent);
    entry.wanted = wanted;
    entry.held = differs ? held : wanted; // one text for both: quickly compared, and the other can go
    if (entry.listed || (!differs && wanted !== undefined)) return;
    entry.listed = true;
    home.changed.push(entry);
    this.#changed.set(object, home);
  }
}

/** Owner of what was only seen in the kernel. */
const NOBODY: Owner = { key: "", created: 0 };

function emptyEntry(home: Home, object: string, key: string, owner: Owner): Entry {
  return { home, object, key, held: undefined, wanted: undefined, owner, claims: 0, mark: 0, listed: false };
}

function isDifferent({ held, wanted }: Change): boolean {
  return held !== wanted;
}

function isOlder(a: Owner, b: Owner): boolean {
  return a.created === b.created ? a.key < b.key : a.created < b.created;
}

function wait(entry: Entry, owner: Owner, value: string): void {
  entry.waiting ??= new Map();
  entry.waiting.set(owner.key, { owner, value });
}

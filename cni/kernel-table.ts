import { diffMaps, explainError } from "../core/mod.ts";

export interface KernelTableOptions<V> {
  /** @throws when the kernel refuses. */
  readonly put: (value: V) => void;
  readonly take: (value: V) => void;
  /** Values that print alike need not be put again. */
  readonly print: (value: V) => string;
  /** What is there already, by name. */
  readonly found?: ReadonlyMap<string, V>;
}

/** Keeps one set of things in the kernel equal to what is wanted; knows what it put there. */
export class KernelTable<V> {
  readonly #options: KernelTableOptions<V>;
  readonly #applied: Map<string, V>;

  constructor(options: KernelTableOptions<V>) {
    this.#options = options;
    this.#applied = new Map(options.found);
  }

  /** @returns What the kernel refused; the next call tries it again. */
  apply(wanted: ReadonlyMap<string, V>): string[] {
    const problems: string[] = [];
    const attempt = (name: string, work: () => void) => {
      try {
        work();
      } catch (error) {
        problems.push(`${name}: ${explainError(error)}`);
      }
    };
    const { put, take, print } = this.#options;
    const { set, remove } = diffMaps(this.#applied, wanted, print);
    for (const name of remove) {
      attempt(name, () => {
        take(this.#applied.get(name)!);
        this.#applied.delete(name);
      });
    }
    for (const [name, value] of set) {
      attempt(name, () => {
        put(value);
        this.#applied.set(name, value);
      });
    }
    return problems;
  }
}

import { CRD_STORAGE, resourcesOf } from "./crd.ts";
import type { ApiResource } from "./resource.ts";
import type { ApiStore } from "./store.ts";

/** The kinds the API serves now: the built-in ones and those of the stored CustomResourceDefinitions. */
export class Registry {
  readonly #builtin: readonly ApiResource[];
  readonly #custom = new Map<string, readonly ApiResource[]>();
  #byPath = new Map<string, ApiResource>();
  #byStorage = new Map<string, ApiResource>();
  #generation = 0;

  constructor(builtin: readonly ApiResource[], store: ApiStore) {
    this.#builtin = builtin;
    this.#rebuild();
    store.onWrite((storage, event) => {
      if (storage !== CRD_STORAGE) return;
      const crd = event.after.object;
      if (event.type === "DELETED") this.#custom.delete(crd.metadata.name);
      else this.#custom.set(crd.metadata.name, resourcesOf(crd));
      this.#rebuild();
    });
  }

  /** Counts changes, for answers made once and kept. */
  get generation(): number {
    return this.#generation;
  }

  get resources(): readonly ApiResource[] {
    return [...this.#byPath.values()];
  }

  find(group: string, version: string, plural: string): ApiResource | undefined {
    return this.#byPath.get(`${group}/${version}/${plural}`);
  }

  /** The version in which a collection stores its objects. */
  ofStorage(storage: string): ApiResource | undefined {
    return this.#byStorage.get(storage);
  }

  #rebuild(): void {
    const all = [...this.#builtin, ...[...this.#custom.values()].flat()];
    this.#byPath = new Map(all.map((one) => [`${one.group}/${one.version}/${one.plural}`, one]));
    this.#byStorage = new Map(all.toReversed().map((one) => [one.storage, one]));
    this.#generation++;
  }
}

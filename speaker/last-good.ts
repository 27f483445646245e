import { type Config, type ConfigObjects, type ObjectMeta, resolveConfig } from "../config/mod.ts";

type Named = { readonly metadata?: ObjectMeta };

/**
 * Remembers each pool and advertisement as it last made sense. An object edited into a mistake goes on as it was: a slip of
 * the pen must not withdraw addresses that are in use. One that is deleted is gone.
 */
export class LastGood {
  #good: ReadonlyMap<string, Named> = new Map();

  /** The configuration of `objects`, and the objects it is made of; the problems are those of the objects as they are. */
  resolve(objects: ConfigObjects): { readonly config: Config; readonly objects: ConfigObjects } {
    const asTheyAre = resolveConfig(objects);
    const broken = new Set(asTheyAre.problems.map((problem) => keyOf(problem.kind, problem)));
    const mend = <T extends Named>(kind: string, list: readonly T[]): readonly T[] =>
      list.map((object) => {
        const key = keyOf(kind, object.metadata);
        return broken.has(key) ? ((this.#good.get(key) as T | undefined) ?? object) : object;
      });
    const mended: ConfigObjects = {
      ...objects,
      pools: mend("IPAddressPool", objects.pools),
      l2Advertisements: mend("L2Advertisement", objects.l2Advertisements),
    };
    const config = broken.size === 0 ? asTheyAre : { ...resolveConfig(mended), problems: asTheyAre.problems };
    this.#good = new Map([
      ...accepted("IPAddressPool", mended.pools, config.pools),
      ...accepted("L2Advertisement", mended.l2Advertisements, config.l2Advertisements),
    ]);
    return { config, objects: mended };
  }
}

/** The objects that made it into the configuration, by kind and name. */
function accepted(kind: string, objects: readonly Named[], models: readonly ObjectMeta[]): [string, Named][] {
  const keys = new Set(models.map((model) => keyOf(kind, model)));
  return objects
    .map((object): [string, Named] => [keyOf(kind, object.metadata), object])
    .filter(([key]) => keys.has(key));
}

function keyOf(kind: string, { namespace = "", name = "" }: ObjectMeta = {}): string {
  return `${kind} ${namespace}/${name}`;
}

import { type Config, type ConfigObjects, type ObjectMeta, type Problem, resolveConfig } from "../config/mod.ts";

type Named = { readonly metadata?: ObjectMeta };

/** The lists of objects, and the kind of each. */
const LISTS = {
  pools: "IPAddressPool",
  l2Advertisements: "L2Advertisement",
  bgpAdvertisements: "BGPAdvertisement",
  bgpPeers: "BGPPeer",
  bfdProfiles: "BFDProfile",
  communities: "Community",
} as const;
const NAMES = Object.keys(LISTS) as readonly (keyof typeof LISTS)[];

/**
 * Remembers each object of the configuration as it last made sense. One edited into a mistake goes on as it was: a slip of
 * the pen must not withdraw addresses that are in use. One that is deleted is gone.
 */
export class LastGood {
  #good: ReadonlyMap<string, Named> = new Map();

  /** The configuration of `objects`, and the objects it is made of; the problems are those of the objects as they are. */
  resolve(objects: ConfigObjects): { readonly config: Config; readonly objects: ConfigObjects } {
    const asTheyAre = resolveConfig(objects);
    const broken = keysOf(asTheyAre.problems);
    const mend = (kind: string, list: readonly Named[] = []): readonly Named[] =>
      list.map((object) => {
        const key = keyOf(kind, object.metadata);
        return broken.has(key) ? (this.#good.get(key) ?? object) : object;
      });
    const lists = Object.fromEntries(NAMES.map((name) => [name, mend(LISTS[name], objects[name])]));
    const mended: ConfigObjects = { ...objects, ...lists };
    const again = broken.size === 0 ? asTheyAre : resolveConfig(mended);
    const stillBroken = keysOf(again.problems);
    const all = NAMES.flatMap((name) =>
      (mended[name] ?? []).map((object): [string, Named] => [keyOf(LISTS[name], object.metadata), object]),
    );
    this.#good = new Map(all.filter(([key]) => !stillBroken.has(key)));
    return { config: { ...again, problems: asTheyAre.problems }, objects: mended };
  }
}

function keysOf(problems: readonly Problem[]): ReadonlySet<string> {
  return new Set(problems.map((problem) => keyOf(problem.kind, problem)));
}

function keyOf(kind: string, { namespace = "", name = "" }: ObjectMeta = {}): string {
  return `${kind} ${namespace}/${name}`;
}

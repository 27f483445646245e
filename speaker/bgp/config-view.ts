import { type BGPPeer, type BgpPeer, type ConfigLists, configObjects, type Labels } from "../../config/mod.ts";
import type { LastGood } from "../last-good.ts";
import { type BgpAdvertOptions, bgpAdvertOptionsOf } from "./advert-options.ts";
import type { BgpConfig } from "./decide.ts";

/** The configuration as one node sees it: objects that other nodes alone use can't spoil it. */
export class ConfigView {
  readonly config: BgpConfig;
  /** What is wrong, one sentence each. */
  readonly problems: readonly string[];
  readonly #peers: ReadonlyMap<string, BGPPeer>;

  /** @param labels Of this node. */
  constructor(stores: ConfigLists & { readonly home?: string | undefined }, labels: Labels, lastGood: LastGood) {
    const { config, objects } = lastGood.resolve(configObjects(stores, { nodes: [labels], home: stores.home }));
    const advertOptions = new Map<string, BgpAdvertOptions>();
    const told: string[] = [];
    for (const object of objects.bgpAdvertisements ?? []) {
      const { options, problems } = bgpAdvertOptionsOf(object);
      advertOptions.set(`${object.metadata?.namespace}/${object.metadata?.name}`, options);
      told.push(...problems);
    }
    this.config = { ...config, advertOptions };
    this.problems = [...config.problems.map(({ message }) => message), ...told];
    const peers = objects.bgpPeers ?? [];
    this.#peers = new Map(peers.map((object) => [`${object.metadata?.namespace}/${object.metadata?.name}`, object]));
  }

  /** The object `peer` was read from. */
  readonly object = ({ namespace, name }: BgpPeer): BGPPeer | undefined => this.#peers.get(`${namespace}/${name}`);
}

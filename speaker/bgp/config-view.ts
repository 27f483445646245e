import {
  type BGPPeer,
  type BgpPeer,
  type Config,
  type ConfigLists,
  configObjects,
  type Labels,
} from "../../config/mod.ts";
import type { LastGood } from "../last-good.ts";
import { type BgpAdvertOptions, bgpAdvertOptionsOf } from "./advert-options.ts";
import type { BgpConfig } from "./decide.ts";
import { isFor } from "./peer-settings.ts";

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
    this.problems = [...config.problems.map(({ message }) => message), ...told, ...unsentEchoes(config, labels)];
    const peers = objects.bgpPeers ?? [];
    this.#peers = new Map(peers.map((object) => [`${object.metadata?.namespace}/${object.metadata?.name}`, object]));
  }

  /** The object `peer` was read from. */
  readonly object = ({ namespace, name }: BgpPeer): BGPPeer | undefined => this.#peers.get(`${namespace}/${name}`);
}

/** The profiles that want echo packets sent, which this speaker does not do: it sends those of peers back. */
function unsentEchoes({ bgpPeers, bfdProfiles }: Config, labels: Labels): string[] {
  const used = new Set(bgpPeers.filter((peer) => isFor(peer, labels)).map(({ bfdProfile }) => bfdProfile));
  return bfdProfiles
    .filter(({ name, echoMode }) => echoMode && used.has(name))
    .map(
      ({ namespace, name }) =>
        `BFDProfile ${namespace}/${name}: spec.echoMode is true: no echo packets are sent, sessions run on control packets alone; remove it.`,
    );
}

import type { V1Node } from "../kube/mod.ts";
import {
  ADDRESS_BITS,
  type Family,
  type Prefix,
  parsePrefix,
  prefixRange,
  printPrefix,
  type Range,
} from "../net/mod.ts";

/** Where nodes' pod prefixes come from. */
export interface PodCidrSettings {
  /** The prefixes of all pods. A node gets one block of each family among them, in the order in which those appear. */
  readonly clusterCidrs: readonly Prefix[];
  /** Length of a node's prefix. */
  readonly lengths: Readonly<Record<Family, number>>;
}

export interface PodCidrDecision {
  /** By the name of the node, for those that have none. */
  readonly given: ReadonlyMap<string, readonly Prefix[]>;
  /** Why a node gets none, in one sentence. */
  readonly refused: ReadonlyMap<string, string>;
}

/**
 * What is wrong with the settings, in one sentence; undefined when nothing is. A cluster without prefixes, or prefixes
 * smaller than a node's, would never give any node its own.
 */
export function podCidrMistake({ clusterCidrs, lengths }: PodCidrSettings): string | undefined {
  if (clusterCidrs.length === 0) return "--allocate-node-cidrs needs --cluster-cidr, the prefixes of all pods";
  const small = clusterCidrs.find(({ family, length }) => lengths[family] < length);
  if (small === undefined) return undefined;
  const flag = `--node-cidr-mask-size-${small.family}`;
  return `${flag} is ${lengths[small.family]}, which is more than all of --cluster-cidr ${printPrefix(small)}`;
}

/**
 * Gives every node without pod prefixes the lowest free block of each family, or none at all. What nodes have is never
 * changed, whoever gave it, and nothing that meets it is given.
 * @param promised What was given to nodes that do not show it yet.
 * @throws {IronbridgeError} IB_ADDRESS_INVALID
 */
export function decidePodCidrs(
  nodes: readonly V1Node[],
  promised: ReadonlyMap<string, readonly Prefix[]>,
  settings: PodCidrSettings,
): PodCidrDecision {
  const used = [...nodes.flatMap(podCidrsOf), ...[...promised.values()].flat()].map(prefixRange);
  const families = [...new Set(settings.clusterCidrs.map(({ family }) => family))];
  const free = new Map(families.map((family) => [family, freeBlocks(family, settings, used)]));
  const given = new Map<string, readonly Prefix[]>();
  const refused = new Map<string, string>();
  let next = families.map((family) => free.get(family)?.next().value);
  for (const name of namesWithout(nodes, promised)) {
    const blocks = next.filter((block) => block !== undefined);
    if (blocks.length < families.length) {
      const full = families.filter((_, i) => next[i] === undefined);
      refused.set(name, explainFull(full, settings));
      continue;
    }
    given.set(name, blocks);
    next = families.map((family) => free.get(family)?.next().value);
  }
  return { given, refused };
}

/** @throws {IronbridgeError} IB_ADDRESS_INVALID */
export function podCidrsOf({ spec }: V1Node): readonly Prefix[] {
  const texts = spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : []);
  return texts.map(parsePrefix);
}

function namesWithout(nodes: readonly V1Node[], promised: ReadonlyMap<string, unknown>): readonly string[] {
  return nodes
    .filter((node) => podCidrsOf(node).length === 0)
    .map(({ metadata }) => metadata?.name ?? "")
    .filter((name) => !promised.has(name))
    .sort();
}

/** The blocks of a node's size that nothing in `used` meets, lowest first. */
function* freeBlocks(family: Family, settings: PodCidrSettings, used: readonly Range[]): Generator<Prefix, undefined> {
  const length = settings.lengths[family];
  const size = 1n << BigInt(ADDRESS_BITS[family] - length);
  const taken = used.filter((range) => range.family === family).sort((a, b) => (a.first < b.first ? -1 : 1));
  for (const cidr of settings.clusterCidrs.filter((each) => each.family === family)) {
    const { first, last } = prefixRange(cidr);
    let i = 0;
    for (let start = first; start <= last; ) {
      while (i < taken.length && taken[i]!.last < start) i++;
      const range = taken[i];
      if (range === undefined || range.first >= start + size) {
        yield { family, first: start, length };
        start += size;
      } else {
        start = (range.last / size + 1n) * size;
      }
    }
  }
  return undefined;
}

function explainFull(families: readonly Family[], { clusterCidrs, lengths }: PodCidrSettings): string {
  const texts = families.map((family) => {
    const cidrs = clusterCidrs.filter((each) => each.family === family).map(printPrefix);
    return `no free /${lengths[family]} is left in ${cidrs.join(", ")}`;
  });
  return `The node gets no pod prefix: ${texts.join(", and ")}; enlarge --cluster-cidr or remove Nodes that are gone`;
}

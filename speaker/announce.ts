import type { V1Node } from "../kube/mod.ts";
import { type NodeStanding, type ServiceFacts, standingOf } from "./decide.ts";
import type { Announcement } from "./l2/message.ts";

/** A Service that this node may announce. */
export interface Candidacy {
  readonly facts: ServiceFacts;
  readonly standing: Exclude<NodeStanding, { readonly refused: unknown }>;
}

/** The Services `node` may announce. */
export function candidaciesOf(
  facts: ReadonlyMap<string, ServiceFacts>,
  node: V1Node | undefined,
): ReadonlyMap<string, Candidacy> {
  const candidacies = new Map<string, Candidacy>();
  if (node === undefined) return candidacies;
  for (const [key, each] of facts) {
    if (each.refused !== undefined) continue;
    const standing = standingOf(each, node);
    if (!("refused" in standing)) candidacies.set(key, { facts: each, standing });
  }
  return candidacies;
}

/**
 * What this node is ready to announce: one announcement for each address, though Services may share it. The address is
 * ready when every Service on it is; the best score and all interfaces count.
 *
 * @param isReady The node's rules for the Service are in the kernel.
 */
export function announcementsOf(
  candidacies: Iterable<Candidacy>,
  isReady: (service: string) => boolean,
): readonly Announcement[] {
  const byAddress = new Map<string, Candidacy[]>();
  for (const candidacy of candidacies) {
    for (const address of candidacy.facts.addresses) {
      const sharing = byAddress.get(address);
      if (sharing === undefined) byAddress.set(address, [candidacy]);
      else sharing.push(candidacy);
    }
  }
  return [...byAddress]
    .filter(([, sharing]) => sharing.every(({ facts }) => isReady(facts.service)))
    .map(([address, sharing]) => ({
      address,
      // The Services of an address may have different first ones; the smallest is the same on every node.
      rankAddress: sharing.map(({ facts }) => facts.addresses[0] ?? address).sort()[0] ?? address,
      score: Math.max(...sharing.map(({ standing }) => standing.score)),
      interfaces: mergeInterfaces(sharing.map(({ standing }) => standing.interfaces)),
      rule: sharing.find(({ standing }) => standing.rule !== "sticky")?.standing.rule ?? "sticky",
    }));
}

function mergeInterfaces(lists: readonly Announcement["interfaces"][]): Announcement["interfaces"] {
  const merged = new Set<string>();
  for (const list of lists) {
    if (list === "all") return "all";
    for (const name of list) merged.add(name);
  }
  return [...merged].sort();
}

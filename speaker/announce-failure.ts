import { namesInterface } from "../config/mod.ts";
import type { V1Node } from "../kube/mod.ts";
import type { Candidacy } from "./announce.ts";
import { standingOf } from "./decide.ts";
import { bestRanked } from "./election.ts";
import type { Status } from "./l2/message.ts";

/** An address that nobody announces, since the node it is meant for lacks the interfaces it is to be announced on. */
export interface AnnounceFailure {
  readonly service: string;
  readonly address: string;
}

/** The failures that `node` is to report: those of addresses it would be elected for, going by the cluster alone. */
export function announceFailures(
  candidacies: ReadonlyMap<string, Candidacy>,
  nodes: readonly V1Node[],
  node: string,
  status: Status,
): readonly AnnounceFailure[] {
  if (status.listening) return [];
  return [...candidacies.values()].flatMap(({ facts, standing }) => {
    if (standing.interfaces === "all" || standing.interfaces.some((each) => isThere(each, status))) return [];
    const silent = facts.addresses.filter((address) => status.addresses[address] === undefined);
    if (silent.length === 0) return [];
    const eligible = nodes.flatMap((each) => {
      const other = standingOf(facts, each);
      return "refused" in other ? [] : [{ node: each.metadata?.name ?? "", score: other.score }];
    });
    if (bestRanked(eligible, facts.addresses[0] ?? "")?.node !== node) return [];
    return silent.map((address) => ({ service: facts.service, address }));
  });
}

/** @param entry A name or a /pattern/ of interfaces. */
function isThere(entry: string, { interfaces }: Status): boolean {
  return interfaces.some((name) => namesInterface(entry, name));
}

import type { Family, Prefix } from "../net/mod.ts";
import { canonicalPrefixes } from "./canonical.ts";

/** What the operator chose, for one address family. */
export interface FamilySettings {
  readonly family: Family;
  /**
   * Where pods live, as prefixes that do not overlap. Connections from elsewhere to a cluster IP are masqueraded.
   * Empty: nobody can tell who is a pod, so such connections keep their source.
   */
  readonly clusterCidrs: readonly string[];
}

/**
 * The bit of the packet mark that says "masquerade this", kube-proxy's default (bit 14). It is set before routing and
 * cleared after it, on the first packet of a connection only.
 */
export const MASQUERADE_MARK = 0x4000;

export function familySettings(family: Family, clusterCidrs: readonly Prefix[]): FamilySettings {
  return { family, clusterCidrs: canonicalPrefixes(clusterCidrs.filter((prefix) => prefix.family === family)) };
}

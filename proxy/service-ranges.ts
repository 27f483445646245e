import type { V1ServiceCIDR } from "../kube/mod.ts";
import type { Family, Prefix } from "../net/mod.ts";
import { canonicalPrefixes, tryParsePrefix } from "./canonical.ts";

/**
 * Where cluster IPs are given from, as prefixes that do not overlap: those that the operator chose, or else those that the
 * cluster's ServiceCIDRs name, be they ready or on their way out (KEP-1880).
 */
export function serviceRanges(
  family: Family,
  chosen: readonly Prefix[],
  cidrs: readonly V1ServiceCIDR[],
): readonly string[] {
  const named = cidrs.flatMap(({ spec }) => spec?.cidrs ?? []).flatMap((text) => tryParsePrefix(text) ?? []);
  const ranges = chosen.length > 0 ? chosen : named;
  return canonicalPrefixes(ranges.filter((range) => range.family === family));
}

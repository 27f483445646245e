import type { Nft } from "../linux/mod.ts";
import { type Family, type Prefix, parsePrefix, prefixRange, printPrefix, rangeContains } from "../net/mod.ts";

export const MASQUERADE_TABLE = "ironbridge_cni";

export interface MasqueradePlan {
  /** Pod prefixes of this node. */
  readonly pods: readonly Prefix[];
  /** Where pods go with their own address: the whole cluster, and what the operator named. */
  readonly native: readonly Prefix[];
}

const MULTICAST = [parsePrefix("224.0.0.0/4"), parsePrefix("ff00::/8")];
const FAMILIES: readonly { readonly family: Family; readonly word: string; readonly suffix: string }[] = [
  { family: "ipv4", word: "ip", suffix: "v4" },
  { family: "ipv6", word: "ip6", suffix: "v6" },
];

/** The whole table as one transaction: pods leave with the node's address. One rule per family, never per pod. */
export function printMasquerade(plan: MasqueradePlan): string {
  const table = `inet ${MASQUERADE_TABLE}`;
  const lines = [`add table ${table}`, `delete table ${table}`, `table ${table} {`];
  for (const { family, suffix } of FAMILIES) {
    lines.push(printSet(`pods_${suffix}`, family, plan.pods));
    lines.push(printSet(`native_${suffix}`, family, [...plan.native, ...plan.pods, ...MULTICAST]));
  }
  lines.push("  chain postrouting {", "    type nat hook postrouting priority srcnat; policy accept;");
  for (const { word, suffix } of FAMILIES) {
    lines.push(`    ${word} saddr @pods_${suffix} ${word} daddr != @native_${suffix} masquerade fully-random`);
  }
  lines.push("  }", "}");
  return `${lines.join("\n")}\n`;
}

/** Prefixes nest or are apart, so leaving out those inside another leaves none that overlap, as interval sets want it. */
export function widestPrefixes(prefixes: readonly Prefix[]): Prefix[] {
  const byLength = [...prefixes].sort((a, b) => a.length - b.length);
  const widest: Prefix[] = [];
  for (const prefix of byLength) {
    const start = { family: prefix.family, value: prefix.first };
    if (!widest.some((wider) => rangeContains(prefixRange(wider), start))) widest.push(prefix);
  }
  return widest;
}

function printSet(name: string, family: Family, prefixes: readonly Prefix[]): string {
  const elements = widestPrefixes(prefixes.filter((prefix) => prefix.family === family)).map(printPrefix);
  const list = elements.length === 0 ? "" : ` elements = { ${elements.sort().join(", ")} };`;
  return `  set ${name} { type ${family}_addr; flags interval;${list} }`;
}

/** Keeps the table in the kernel: writes it when the plan changed or when the kernel's account of it did. */
export function masqueradeReconciler(nft: Nft): (plan: MasqueradePlan) => Promise<void> {
  const list = () => nft.list(`list table inet ${MASQUERADE_TABLE}`);
  let applied: { readonly script: string; readonly listing: string | undefined } | undefined;
  return async (plan) => {
    const script = printMasquerade(plan);
    if (applied?.script === script && (await list()) === applied.listing) return;
    applied = undefined;
    await nft.apply(script);
    applied = { script, listing: await list() };
  };
}

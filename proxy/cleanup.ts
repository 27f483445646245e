import { hasCode } from "../core/mod.ts";
import type { IptablesVariant } from "../linux/mod.ts";
import type { Family } from "../net/mod.ts";
import { TABLES } from "./iptables-chain.ts";
import { parseIptablesSave, printIptablesRemoval } from "./iptables-read.ts";
import { hasFamily, type Kernel, kernelOf } from "./kernel.ts";
import { nftTable } from "./nftables-text.ts";

const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];

/** One place where rules of this proxy can be. */
export type RuleHome = "nftables" | `iptables-${IptablesVariant}`;
export const RULE_HOMES: readonly RuleHome[] = ["nftables", "iptables-nft", "iptables-legacy"];

/**
 * Removes every rule that this proxy made, of every mode and family, and nothing else.
 * Connections that are open keep running: they live in connection tracking.
 */
export async function removeRules(kernel: Kernel = kernelOf(), homes: readonly RuleHome[] = RULE_HOMES): Promise<void> {
  for (const home of homes) {
    for (const family of FAMILIES.filter((candidate) => hasFamily(kernel, candidate))) {
      await unlessNotInstalled(
        home === "nftables"
          ? removeNftTable(kernel, family)
          : removeChains(kernel, family, home === "iptables-nft" ? "nft" : "legacy"),
      );
    }
  }
}

async function removeNftTable(kernel: Kernel, family: Family): Promise<void> {
  const nft = await kernel.nft();
  try {
    const table = nftTable(family);
    const tables = (await nft.list("list tables")) ?? "";
    if (tables.split("\n").includes(`table ${table}`)) await nft.apply(`delete table ${table}\n`);
  } finally {
    nft.close();
  }
}

async function removeChains(kernel: Kernel, family: Family, variant: IptablesVariant): Promise<void> {
  const iptables = await kernel.iptables(family, variant);
  for (const table of TABLES) {
    const script = printIptablesRemoval(table, parseIptablesSave(table, await iptables.save(table)));
    if (script !== "") await iptables.restore(script);
  }
}

/** Where the program that writes rules is not installed there are no rules to remove. */
async function unlessNotInstalled(removal: Promise<void>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (!hasCode(error, "IB_BINARY_MISSING")) throw error;
  }
}

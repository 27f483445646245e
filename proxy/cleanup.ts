import { hasCode } from "../core/mod.ts";
import type { IptablesVariant } from "../linux/mod.ts";
import type { Family } from "../net/mod.ts";
import { TABLES } from "./iptables-chain.ts";
import { parseIptablesSave, printIptablesRemoval } from "./iptables-read.ts";
import { hasFamily, type Kernel, kernelOf } from "./kernel.ts";
import { NFT_TABLE, nftTable } from "./nftables-text.ts";

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

/**
 * Removes what a kube-proxy of any mode (iptables, ipvs, nftables) left on this node, when it runs no more. The chains
 * that the kubelet makes stay.
 */
export async function removeKubeProxy(kernel: Kernel = kernelOf()): Promise<void> {
  for (const family of FAMILIES.filter((candidate) => hasFamily(kernel, candidate))) {
    await unlessNotInstalled(removeNftTable(kernel, family, "kube-proxy"));
    for (const variant of ["nft", "legacy"] as const) {
      await unlessNotInstalled(removeChains(kernel, family, variant, isKubeProxyChain));
    }
  }
  kernel.deleteLink(KUBE_IPVS_LINK); // it carries every cluster IP, which makes them local addresses
}

/** The dummy link of the mode ipvs. */
const KUBE_IPVS_LINK = "kube-ipvs0";
/** By kubernetes/pkg/proxy of 1.34, modes iptables and ipvs; KUBE-FIREWALL, -MARK-DROP, -IPTABLES-HINT are the kubelet's. */
const KUBE_PROXY_CHAIN =
  /^KUBE-((SVC|SVL|SEP|EXT|FW|XLB)-.*|SERVICES|EXTERNAL-SERVICES|NODEPORTS|NODE-PORT|POSTROUTING|MARK-MASQ|FORWARD|PROXY-FIREWALL|PROXY-CANARY|LOAD-BALANCER|SOURCE-RANGES-FIREWALL|IPVS-FILTER|IPVS-OUT-FILTER)$/;

function isKubeProxyChain(chain: string): boolean {
  return KUBE_PROXY_CHAIN.test(chain);
}

async function removeNftTable(kernel: Kernel, family: Family, table = NFT_TABLE): Promise<void> {
  const nft = await kernel.nft();
  try {
    if (nft.table(family, table) !== undefined) await nft.apply(`delete table ${nftTable(family, table)}\n`);
  } finally {
    nft.close();
  }
}

async function removeChains(
  kernel: Kernel,
  family: Family,
  variant: IptablesVariant,
  isOwn?: (chain: string) => boolean,
): Promise<void> {
  const iptables = await kernel.iptables(family, variant);
  for (const table of [...TABLES, "mangle"] as const) {
    const found = parseIptablesSave(table, await iptables.save(table), isOwn);
    const script = printIptablesRemoval(table, found, isOwn);
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

export type IptablesVariant = "legacy" | "nft";

/** Made by kubelet in the variant it uses: kubernetes-sigs/iptables-wrappers reads them the same way. */
const HINT_CHAIN = /^:(KUBE-IPTABLES-HINT|KUBE-KUBELET-CANARY) /m;

/**
 * The variant in use on a node, from what iptables-save of each prints: kubelet's hint decides, else the greater number
 * of rules, else nft. Rules in both at once mean that a packet passes two rule sets, so the choice is to join the others.
 */
export function chooseVariant(saved: Readonly<Record<IptablesVariant, string>>): IptablesVariant {
  if (HINT_CHAIN.test(saved.nft)) return "nft";
  if (HINT_CHAIN.test(saved.legacy)) return "legacy";
  return countRules(saved.legacy) > countRules(saved.nft) ? "legacy" : "nft";
}

function countRules(saved: string): number {
  return saved.match(/^-/gm)?.length ?? 0;
}

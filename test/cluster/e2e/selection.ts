/** Specs of [sig-network] that are not run, by a pattern of their names, and why not. */
export const LEFT_OUT: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /Feature:IPv6DualStack/, reason: "the cluster has IPv4 only" },
  { pattern: /Feature:NetworkPolicy/, reason: "network policy is not there yet" },
  { pattern: /SCTP/, reason: "not every kernel has SCTP, this computer's among them" },
  { pattern: /Feature:LoadBalancer/, reason: "slow; tests of our own cover load balancers" },
  { pattern: /Feature:Networking-/, reason: "needs the Internet, or measures speed" },
  { pattern: /Feature:/, reason: "needs something that is no part of the cluster" },
  { pattern: /Provider:GCE/, reason: "needs Google's cloud" },
  { pattern: /Alpha|FeatureGate/, reason: "needs features that are off or not final" },
  { pattern: /Serial|Disruptive/, reason: "disturbs the specs beside it" },
  { pattern: /evicted pods/, reason: "these kubelets do not measure the disk use that it waits for" },
];

/** For ginkgo's --skip. */
export function skipPattern(): string {
  return LEFT_OUT.map(({ pattern }) => pattern.source).join("|");
}

/** Specs about kube-proxy's own program, which look for its ports and settings: they may fail with Ironbridge. */
export const KUBE_PROXY_ONLY: readonly { readonly pattern: RegExp; readonly reason: string }[] = [
  { pattern: /should check kube-proxy urls/, reason: "asks kube-proxy's own port 10249" },
  { pattern: /KubeProxy should set TCP CLOSE_WAIT timeout/, reason: "asks for a kernel setting of kube-proxy's" },
];

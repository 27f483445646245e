import { exec, readSysctl, writeSysctl } from "../linux/mod.ts";
import type { Prefix } from "../net/mod.ts";
import { BRIDGE_NAME } from "./bridge.ts";

/** Kernel settings, key and value, in the order they must be written. */
export type SysctlPlan = readonly (readonly [key: string, value: string])[];

const BRIDGE_NETFILTER = "net/bridge/bridge-nf-call-iptables";

/** What the node's pod network needs of the kernel. The bridge is there already. */
export function sysctlPlan(prefixes: readonly Prefix[]): SysctlPlan {
  const plan: [string, string][] = [
    ["net/ipv4/ip_forward", "1"],
    // The answer of a pod to a pod of the same node crosses the bridge only, and must pass connection tracking so that
    // the Service address is put back.
    [BRIDGE_NETFILTER, "1"],
    ["net/bridge/bridge-nf-call-ip6tables", "1"],
    // The kernel takes the larger of this and `all`: loose (2) beats strict (1), off (0) would not.
    [`net/ipv4/conf/${BRIDGE_NAME}/rp_filter`, "2"],
    // Pods of one bridge are told to talk directly when they meet at the gateway; their Service would be bypassed.
    ["net/ipv4/conf/all/send_redirects", "0"],
    [`net/ipv4/conf/${BRIDGE_NAME}/send_redirects`, "0"],
  ];
  if (prefixes.some(({ family }) => family === "ipv6")) {
    plan.push(["net/ipv6/conf/all/forwarding", "1"], [`net/ipv6/conf/${BRIDGE_NAME}/accept_ra`, "0"]);
    // Without an address of its own, for which it would wait, the bridge can't ask for the first pod's MAC address.
    plan.push([`net/ipv6/conf/${BRIDGE_NAME}/accept_dad`, "0"]);
  }
  return plan;
}

/** @throws {IronbridgeError} IB_KERNEL_REFUSED */
export function applySysctls(plan: SysctlPlan): void {
  for (const [key, value] of plan) writeSysctl(key, value);
}

/** The settings of bridged traffic exist once br_netfilter is loaded; in most kernels it is a module. */
export async function loadBridgeNetfilter(): Promise<void> {
  if (readSysctl(BRIDGE_NETFILTER) === undefined) await exec("modprobe", ["br_netfilter"]);
}

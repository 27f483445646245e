import { exec, ipv6ForwardingSettings, listSysctls, readSysctl, type Sysctls, writeSysctl } from "../linux/mod.ts";
import { BRIDGE_NAME, type Prefix } from "../net/mod.ts";

/** Kernel settings, key and value, in the order they must be written. */
export type SysctlPlan = readonly (readonly [key: string, value: string])[];

/** The kernel settings of the node, or a stand-in for them. */
export interface SysctlKernel extends Sysctls {
  writeSysctl(key: string, value: string): void;
}

const BRIDGE_NETFILTER = "net/bridge/bridge-nf-call-iptables";
/**
 * Neighbours the kernel keeps: pods of the node and, on one L2 network, all other nodes. Its own 1024 is full before a
 * cluster is large; entries that are not there cost nothing. The largest first, as each must be below the next.
 */
const LEAST_NEIGHBOURS = [
  ["gc_thresh3", 8192],
  ["gc_thresh2", 4096],
  ["gc_thresh1", 1024],
] as const;

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
  if (hasIpv6(prefixes)) {
    plan.push([`net/ipv6/conf/${BRIDGE_NAME}/accept_ra`, "0"]);
    // Without an address of its own, for which it would wait, the bridge can't ask for the first pod's MAC address.
    plan.push([`net/ipv6/conf/${BRIDGE_NAME}/accept_dad`, "0"]);
  }
  return plan;
}

/**
 * Returns what writes the settings that differ, for pods of these prefixes, and says in sentences which of those that it
 * had written before were changed by others since. It throws IB_KERNEL_REFUSED.
 */
export function sysctlKeeper(kernel: SysctlKernel = { readSysctl, listSysctls, writeSysctl }) {
  const written = new Map<string, string>();
  const keep = (plan: SysctlPlan): string[] =>
    plan.flatMap(([key, value]) => {
      const found = kernel.readSysctl(key);
      if (found !== value) kernel.writeSysctl(key, value);
      const before = written.get(key);
      written.set(key, value);
      if (found === value || before !== value) return [];
      return [`another program set ${key} to ${found}; it is ${value} again, which pods need`];
    });
  return (prefixes: readonly Prefix[]): string[] => [
    ...keep(sysctlPlan(prefixes)),
    // Only after the bridge was told to listen to no router.
    ...(hasIpv6(prefixes) ? keep(ipv6ForwardingSettings(kernel)) : []),
    ...keep(neighbourPlan(kernel, prefixes)),
  ];
}

/** Room for more neighbours where there is less. The limits are the machine's: other network namespaces have none. */
function neighbourPlan(kernel: Sysctls, prefixes: readonly Prefix[]): SysctlPlan {
  const families = hasIpv6(prefixes) ? ["ipv4", "ipv6"] : ["ipv4"];
  return families.flatMap((family) =>
    LEAST_NEIGHBOURS.flatMap(([name, least]) => {
      const key = `net/${family}/neigh/default/${name}`;
      const found = kernel.readSysctl(key);
      return found === undefined || Number(found) >= least ? [] : [[key, String(least)] as const];
    }),
  );
}

function hasIpv6(prefixes: readonly Prefix[]): boolean {
  return prefixes.some(({ family }) => family === "ipv6");
}

/** The settings of bridged traffic exist once br_netfilter is loaded; in most kernels it is a module. */
export async function loadBridgeNetfilter(): Promise<void> {
  if (readSysctl(BRIDGE_NETFILTER) === undefined) await exec("modprobe", ["br_netfilter"]);
}

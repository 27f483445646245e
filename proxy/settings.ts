import type { Family, Prefix } from "../net/mod.ts";
import { canonicalPrefixes } from "./canonical.ts";
import { wantsLocalhost } from "./node-port-addresses.ts";

/** How a pod of this cluster is told from others. */
export type PodDetection =
  /** Its address is in one of the prefixes `clusterCidrs`. */
  | { readonly mode: "cluster-cidr" }
  /** Its address is in a prefix of this node (Node.spec.podCIDRs). */
  | { readonly mode: "node-cidr" }
  /** It comes in by the link of this name. */
  | { readonly mode: "bridge-interface"; readonly name: string }
  /** It comes in by a link whose name begins so. */
  | { readonly mode: "interface-name-prefix"; readonly name: string };

/** What the operator chose. */
export interface ProxyChoices {
  /** Where pods live; the families without a prefix can't tell pods from others by their addresses. */
  readonly clusterCidrs: readonly Prefix[];
  /** Absent: by `clusterCidrs`. */
  readonly podDetection?: PodDetection;
  /** Masquerade every connection to a cluster IP, those of pods too. */
  readonly masqueradeAll?: boolean;
  /** Which bit of the packet mark says "masquerade this", 0 to 31; absent: 14, as with kube-proxy. */
  readonly masqueradeBit?: number;
  /**
   * Node ports are open on this node's addresses inside these prefixes; absent: on those that Node.status names.
   * Loopback addresses only count where a prefix lies inside 127.0.0.0/8: then IPv4's localhost has node ports too.
   */
  readonly nodePortAddresses?: readonly Prefix[] | undefined;
  /**
   * Where cluster IPs are given from: addresses in there that no Service has are dropped instead of routed away. Absent or
   * empty: what the cluster's ServiceCIDRs say.
   */
  readonly serviceCidrs?: readonly Prefix[];
}

/** What a rule can go by to know a pod. Text is canonical. */
export type PodMatch =
  /** Prefixes that do not overlap. Empty: nobody can tell who is a pod. */
  | { readonly kind: "prefixes"; readonly prefixes: readonly string[] }
  /** Name of the link it comes in by; `partial` names are only how it begins. */
  | { readonly kind: "link"; readonly name: string; readonly partial: boolean };

/** What the node itself has to say. */
export interface NodeFacts {
  /** Node.spec.podCIDRs, for the detection of pods by them. */
  readonly podCidrs?: readonly Prefix[];
  /** Connection tracking takes packets outside of their connection's window for what they are: its own. */
  readonly isTcpLiberal?: boolean;
}

/** The same for one address family. */
export interface FamilySettings {
  readonly family: Family;
  readonly pods: PodMatch;
  readonly masqueradeAll: boolean;
  /**
   * The bit of the packet mark that says "masquerade this". It is set before routing and cleared after it, on the first
   * packet of a connection only.
   */
  readonly masqueradeMark: number;
  /** Node ports are open on 127.0.0.0/8 too, and nobody outside may send there. */
  readonly localhost: boolean;
  /** iptables only, as with kube-proxy: what connection tracking can't place is dropped on its way through this node. */
  readonly dropsInvalid: boolean;
}

const MASQUERADE_BIT = 14;

export function familySettings(family: Family, choices: ProxyChoices, facts: NodeFacts = {}): FamilySettings {
  const { podCidrs = [], isTcpLiberal = false } = facts;
  const ofFamily = (prefixes: readonly Prefix[]) =>
    canonicalPrefixes(prefixes.filter((prefix) => prefix.family === family));
  const { podDetection = { mode: "cluster-cidr" }, masqueradeBit = MASQUERADE_BIT } = choices;
  return {
    family,
    pods: podMatch(podDetection, { cluster: ofFamily(choices.clusterCidrs), node: ofFamily(podCidrs) }),
    masqueradeAll: choices.masqueradeAll ?? false,
    masqueradeMark: 2 ** masqueradeBit,
    localhost: family === "ipv4" && wantsLocalhost(choices.nodePortAddresses ?? []),
    dropsInvalid: !isTcpLiberal,
  };
}

function podMatch(
  detection: PodDetection,
  prefixes: { readonly cluster: readonly string[]; readonly node: readonly string[] },
): PodMatch {
  switch (detection.mode) {
    case "cluster-cidr":
      return { kind: "prefixes", prefixes: prefixes.cluster };
    case "node-cidr":
      return { kind: "prefixes", prefixes: prefixes.node };
    case "bridge-interface":
      return { kind: "link", name: detection.name, partial: false };
    case "interface-name-prefix":
      return { kind: "link", name: detection.name, partial: true };
  }
}

/** False when nobody can tell who is a pod. */
export function knowsPods({ pods }: FamilySettings): boolean {
  return pods.kind === "link" || pods.prefixes.length > 0;
}

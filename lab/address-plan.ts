/** The fixed addresses of the lab: the same in every lab, because each lives in network namespaces of its own. */
/** The address families of a LAN, in the words of kind's `ipFamily`: IPv4 alone, or IPv4 and IPv6. */
export const IP_FAMILIES = ["ipv4", "dual"] as const;
export type IpFamilies = (typeof IP_FAMILIES)[number];

export const LAN_PREFIX_LENGTH = 24;
/** The router of the LAN, which also carries the API server and the DNS server. */
export const LAN_ADDRESS = "192.168.1.1";
export const LAN6_PREFIX_LENGTH = 64;
/** A host outside the cluster. */
export const CLIENT_ADDRESS = "192.168.1.10";
export const API_PORT = 6443;
/** Pod addresses of the cluster. */
export const CLUSTER_CIDRS = { ipv4: ["10.244.0.0/16"], dual: ["10.244.0.0/16", "fd00:244::/56"] } as const;
export const DNS_SERVICE_ADDRESS = "10.96.0.10";
export const CLUSTER_DOMAIN = "cluster.local";

/** The largest number of nodes: 192.168.1.11 to 192.168.1.99, below the sample pool. */
export const MAX_NODES = 89;

/** @param number From 1. */
export function nodeAddress(number: number): string {
  return `192.168.1.${10 + number}`;
}

/** The IPv6 address of a host on a LAN with both families: it ends as its IPv4 address does. */
export function lan6Address(address: string): string {
  return `fd00:1::${address.split(".").at(-1)}`;
}

/** The pod prefixes of a node, one of each family. @param number 1 to 255. */
export function podCidrs(number: number, families: IpFamilies): readonly [string, ...string[]] {
  const own = `10.244.${number}.0/24`;
  return families === "dual" ? [own, `fd00:244:0:${number.toString(16)}::/64`] : [own];
}

/** The fixed addresses of the lab: the same in every lab, because each lives in network namespaces of its own. */
export const LAN_PREFIX_LENGTH = 24;
/** The router of the LAN, which also carries the API server and the DNS server. */
export const LAN_ADDRESS = "192.168.1.1";
export const LAN6_PREFIX_LENGTH = 64;
/** A host outside the cluster. */
export const CLIENT_ADDRESS = "192.168.1.10";
export const API_PORT = 6443;
export const CLUSTER_CIDR = "10.244.0.0/16";
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

/** The pod prefix of a node. @param number From 1. */
export function podCidr(number: number): string {
  return `10.244.${number}.0/24`;
}

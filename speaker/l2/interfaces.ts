import { namesInterface } from "../../config/mod.ts";
import type { Link, LinkAddress } from "../../linux/mod.ts";
import {
  type Address,
  BRIDGE_NAME,
  MAC_LENGTH,
  POD_LINK_NAME,
  type Prefix,
  parsePrefix,
  prefixContains,
  prefixOf,
  printMac,
  printPrefix,
  TUNNEL_NAME,
} from "../../net/mod.ts";

/** An interface of the host that may face clients. */
export interface HostLink extends Link {
  /** The subnets of its addresses. */
  readonly subnets: readonly Prefix[];
  /** It has an IPv6 address, as every interface has that speaks IPv6. */
  readonly speaksIpv6: boolean;
}

/** Patterns of interfaces that do not face the clients' network unless other patterns are given: MetalLB's list. */
const EXCLUDED_INTERFACES: readonly string[] = [
  "^docker.*",
  "^cbr.*",
  "^dummy.*",
  "^virbr.*",
  "^lxcbr.*",
  "^veth.*",
  "^lo$",
  "^cali.*",
  "^tunl.*",
  "^flannel.*",
  "^kube-ipvs.*",
  "^cni.*",
  "^nodelocaldns.*",
  "^lxc.*",
];

/** Ironbridge's own links: the bridge of the pods, the tunnel between nodes, and the node's ends of pods' links. */
const OWN_INTERFACES: readonly string[] = [`^${BRIDGE_NAME}$`, `^${TUNNEL_NAME}$`, POD_LINK_NAME.source];

/** Patterns of interfaces that are never announced on: those `given`, and Ironbridge's own. */
export function excludedPatterns(given: readonly string[] = EXCLUDED_INTERFACES): readonly RegExp[] {
  return [...OWN_INTERFACES, ...given].map((pattern) => new RegExp(pattern));
}

const LINK_LOCAL = parsePrefix("fe80::/10");

/**
 * The interfaces that addresses can be announced on now. A member of a bridge or bond is served by its master.
 * @param excluded Patterns of names that are never used.
 */
export function hostLinks(
  links: readonly Link[],
  addresses: readonly LinkAddress[],
  excluded: readonly RegExp[],
): readonly HostLink[] {
  return links
    .filter((link) => facesClients(link) && !excluded.some((pattern) => pattern.test(link.name)))
    .map((link) => {
      const own = addresses.filter(({ ifindex }) => ifindex === link.index);
      const lasting = own.filter(({ address }) => !prefixContains(LINK_LOCAL, address));
      const subnets = lasting.map(({ address, length }) => prefixOf(address, length));
      return { ...link, subnets, speaksIpv6: own.some(({ address }) => address.family === "ipv6") };
    });
}

function facesClients(link: Link): boolean {
  const isEthernet = link.broadcast && link.mac.length === MAC_LENGTH && !link.loopback && !link.noArp;
  return isEthernet && link.up && link.carrier && link.master === undefined;
}

/** True when addresses are announced alike on both. */
export function sameHostLinks(a: readonly HostLink[], b: readonly HostLink[]): boolean {
  const text = (links: readonly HostLink[]) =>
    links
      .map(({ index, name, mac, subnets, speaksIpv6 }) =>
        [index, name, printMac(mac), speaksIpv6, ...subnets.map(printPrefix)].join(" "),
      )
      .join("\n");
  return text(a) === text(b);
}

/** True when neighbours have to be told: of a link that was not there before, or of another hardware address, as of a bond. */
export function hasNewPlace(before: readonly HostLink[], after: readonly HostLink[]): boolean {
  const placeOf = ({ index, mac }: HostLink) => `${index} ${printMac(mac)}`;
  const known = new Set(before.map(placeOf));
  return after.some((link) => !known.has(placeOf(link)));
}

/** Where a node answers for an address. */
export interface Place {
  /** Names of interfaces. */
  readonly interfaces: readonly string[];
  /** One of them has the subnet of the address: there are its clients or their router. */
  readonly inSubnet: boolean;
}

/**
 * Where to answer for `address`: on the interfaces asked for by name or /pattern/; on all when none are asked for, but
 * then only on those with the address's subnet if there are such.
 */
export function placeOf(address: Address, asked: "all" | readonly string[], links: readonly HostLink[]): Place {
  const able = links.filter(({ speaksIpv6 }) => address.family === "ipv4" || speaksIpv6);
  const matching = asked === "all" ? able : able.filter(({ name }) => asked.some((each) => namesInterface(each, name)));
  const fitting = matching.filter(({ subnets }) => subnets.some((subnet) => prefixContains(subnet, address)));
  const chosen = asked === "all" && fitting.length > 0 ? fitting : matching;
  return { interfaces: chosen.map(({ name }) => name), inSubnet: fitting.length > 0 };
}

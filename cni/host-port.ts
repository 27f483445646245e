import { type Address, type Family, parseAddress, printAddress } from "../net/mod.ts";
import type { AttachmentKey } from "./attachment.ts";

/** Protocols of host ports, and their numbers (IPPROTO_*). */
export const PORT_PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;
export type PortProtocol = keyof typeof PORT_PROTOCOLS;

/** A port of the node that leads to a port of a pod. */
export interface HostPort {
  readonly protocol: PortProtocol;
  readonly hostPort: number;
  readonly containerPort: number;
  /** The address of the node, or 0.0.0.0 or :: for all of that family; absent for all of both. */
  readonly hostAddress?: Address;
}

/** A pod and the host ports that lead to it. */
export interface HostPortOwner {
  readonly key: AttachmentKey;
  readonly addresses: readonly Address[];
  readonly hostPorts: readonly HostPort[];
}

/** One element of a map or set of the table; `value` is empty in sets. */
export interface HostPortElement {
  readonly set: string;
  readonly key: string;
  readonly value: string;
}

/** The node's side of a host port. */
interface NodePort extends Pick<HostPort, "protocol" | "hostPort"> {
  readonly family: Family;
  /** Absent for every address of the node. */
  readonly hostAddress?: Address;
}

/** Suffixes of the names of maps and sets. */
export const FAMILY_SUFFIX = { ipv4: "v4", ipv6: "v6" } as const satisfies Record<Family, string>;

/**
 * The elements of the table, by "set key". Where two pods ask for one port of the node the later one has it: it took
 * the place of a pod that is not quite gone.
 */
export function hostPortElements(owners: Iterable<HostPortOwner>): Map<string, HostPortElement> {
  const elements = new Map<string, HostPortElement>();
  for (const { addresses, hostPorts } of owners) {
    for (const address of addresses) {
      for (const port of hostPorts) {
        const element = portElement(address, port);
        if (element === undefined) continue;
        elements.set(elementName(element), element);
        const hairpin = hairpinElement(address);
        elements.set(elementName(hairpin), hairpin);
      }
    }
  }
  return elements;
}

export function elementName({ set, key }: { readonly set: string; readonly key: string }): string {
  return `${set} ${key}`;
}

const NODE_PORT = /^(?:any|own)_(v[46]) (?:(\S+) \. )?(\w+) \. (\d+)$/;

/** Reads what elementName() wrote; undefined for elements of sets. */
export function nodePortOf(name: string): NodePort | undefined {
  const [, suffix, address, protocol, hostPort] = NODE_PORT.exec(name) ?? [];
  if (!isProtocol(protocol)) return undefined;
  return {
    family: suffix === FAMILY_SUFFIX.ipv4 ? "ipv4" : "ipv6",
    protocol,
    hostPort: Number(hostPort),
    ...(address !== undefined && { hostAddress: parseAddress(address) }),
  };
}

function isProtocol(text: string | undefined): text is PortProtocol {
  return text !== undefined && text in PORT_PROTOCOLS;
}

/** Undefined for a port of an address of the other family. */
function portElement(pod: Address, port: HostPort): HostPortElement | undefined {
  const { protocol, hostPort, containerPort, hostAddress } = port;
  if (hostAddress !== undefined && hostAddress.family !== pod.family) return undefined;
  const suffix = FAMILY_SUFFIX[pod.family];
  const own = hostAddress !== undefined && hostAddress.value !== 0n ? hostAddress : undefined;
  return {
    set: own === undefined ? `any_${suffix}` : `own_${suffix}`,
    key: `${own === undefined ? "" : `${printAddress(own)} . `}${protocol} . ${hostPort}`,
    value: `${printAddress(pod)} . ${containerPort}`,
  };
}

/** A pod that reaches itself by its host port must see another address than its own, or its answer never leaves it. */
function hairpinElement(pod: Address): HostPortElement {
  const text = printAddress(pod);
  return { set: `hairpin_${FAMILY_SUFFIX[pod.family]}`, key: `${text} . ${text}`, value: "" };
}

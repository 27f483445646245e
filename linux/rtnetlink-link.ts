import { addressFromBytes, printAddress } from "../net/mod.ts";
import { AF_INET6 } from "./libc.ts";
import { encodeLinkHeader, IFLA, INFO, LINK_HEADER_LENGTH, RTM_DELLINK, RTM_NEWLINK, VXLAN } from "./link-wire.ts";
import {
  type Attribute,
  decodeAttributes,
  encodePayload,
  type NetlinkMessage,
  type NetlinkRequest,
  readText,
  readUint32,
  uint8,
  uint32,
} from "./netlink-message.ts";
import type { Netns } from "./netns.ts";

/** A network interface. rtnetlink(7) RTM_NEWLINK. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** 6 octets; empty for links without one. */
  readonly mac: Uint8Array;
  /** Octets. */
  readonly mtu: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  /** Has carrier (IFF_LOWER_UP). */
  readonly carrier: boolean;
  /** Packets pass (IF_OPER_UP, RFC 2863): the kernel has noticed the carrier, which it does in its own time. */
  readonly operational: boolean;
  readonly loopback: boolean;
  readonly broadcast: boolean;
  readonly noArp: boolean;
  /** Index of the bridge, bond or VRF it belongs to. */
  readonly master?: number;
  /** "bridge", "veth", "vxlan", ...; absent for physical links. */
  readonly kind?: string;
  /** Index of the other end of a veth pair, in its namespace. */
  readonly peer?: number;
  /** That namespace, by the number this one knows it by: netnsId() tells. Absent when it is this one. */
  readonly peerNetns?: number;
  /** Of a VXLAN: what can't be changed once it is there. */
  readonly vxlan?: { readonly vni: number; readonly port: number; readonly local: string; readonly underlay: number };
}

export interface LinkChange {
  readonly up?: boolean;
  readonly mtu?: number;
  /** A new name; kernels before 6.2 want the link down for it. */
  readonly name?: string;
  /** Index of the bridge to join; 0 leaves it. */
  readonly master?: number;
  /** A bridge port may send a frame back where it came from. */
  readonly hairpin?: boolean;
}

/** linux/rtnetlink.h. */
const RTM_GETLINK = 18;
/** linux/if.h. */
const IFF_UP = 0x1;
const IFF_BROADCAST = 0x2;
const IFF_LOOPBACK = 0x8;
const IFF_NOARP = 0x80;
const IFF_LOWER_UP = 0x10000;
const IF_OPER_UP = 6;
/** Hairpin, despite its name. */
const IFLA_BRPORT_MODE = 4;
/** The group of links about to be removed: "ib" and a number nobody else has a reason to take. */
const DOOMED_GROUP = 0x6962_00de;
/** Without the counters, which are most of a link's description. */
const RTEXT_FILTER_SKIP_STATS = 8;

export function listLinks(): NetlinkRequest {
  const payload = encodePayload(encodeLinkHeader({}), [[IFLA.EXT_MASK, uint32(RTEXT_FILTER_SKIP_STATS)]]);
  return { what: "list the links", type: RTM_GETLINK, payload };
}

export function getLink(name: string): NetlinkRequest {
  const attributes: Attribute[] = [
    [IFLA.IFNAME, name],
    [IFLA.EXT_MASK, uint32(RTEXT_FILTER_SKIP_STATS)],
  ];
  return { what: `look up link ${name}`, type: RTM_GETLINK, payload: encodePayload(encodeLinkHeader({}), attributes) };
}

/** In the order the kernel needs: a link joins its bridge before it can be told how to behave as a port. */
export function changeLink(index: number, change: LinkChange): NetlinkRequest[] {
  const { hairpin, ...rest } = change;
  if (hairpin === undefined || change.master === undefined) return isEmpty(change) ? [] : [changeAtOnce(index, change)];
  return [changeAtOnce(index, rest), changeAtOnce(index, { hairpin })];
}

function isEmpty(change: LinkChange): boolean {
  return Object.values(change).every((value) => value === undefined);
}

function changeAtOnce(index: number, change: LinkChange): NetlinkRequest {
  const { up, mtu, name, master, hairpin } = change;
  const attributes: Attribute[] = [];
  if (name !== undefined) attributes.push([IFLA.IFNAME, name]);
  if (mtu !== undefined) attributes.push([IFLA.MTU, uint32(mtu)]);
  if (master !== undefined) attributes.push([IFLA.MASTER, uint32(master)]);
  if (hairpin !== undefined) attributes.push([IFLA.LINKINFO, portInfo(hairpin)]);
  const header = up === undefined ? { index } : { index, flags: up ? IFF_UP : 0, change: IFF_UP };
  const what = `set ${describeChange(change)} of the link of index ${index}`;
  return { what, type: RTM_NEWLINK, payload: encodePayload(encodeLinkHeader(header), attributes) };
}

/** linux/if_link.h: IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE. */
const ADDR_GEN_MODE = { TYPE: 8, NONE: 1 } as const;

/** Has the link make no IPv6 address for itself when it comes up. Kernels without IPv6 refuse with EAFNOSUPPORT. */
export function withoutLinkLocal(index: number): NetlinkRequest {
  const mode: Attribute = [ADDR_GEN_MODE.TYPE, uint8(ADDR_GEN_MODE.NONE)];
  const payload = encodePayload(encodeLinkHeader({ index }), [[IFLA.AF_SPEC, [[AF_INET6, [mode]]]]]);
  return { what: `keep the link of index ${index} from making an IPv6 address`, type: RTM_NEWLINK, payload };
}

/**
 * Removes all links of these names with one wait of the kernel (about 20 ms) and not one each: they join a group, and
 * the group is removed. Names of links that are gone are refused with ENODEV.
 */
export function removeLinks(names: readonly string[]): NetlinkRequest[] {
  const joins = names.map((name) => {
    const payload = encodePayload(encodeLinkHeader({}), [
      [IFLA.IFNAME, name],
      [IFLA.GROUP, uint32(DOOMED_GROUP)],
    ]);
    return { what: `delete link ${name}`, type: RTM_NEWLINK, payload };
  });
  const payload = encodePayload(encodeLinkHeader({}), [[IFLA.GROUP, uint32(DOOMED_GROUP)]]);
  return [...joins, { what: `delete links ${names.join(", ")}`, type: RTM_DELLINK, payload }];
}

export function removeLink(index: number): NetlinkRequest {
  const payload = encodeLinkHeader({ index });
  return { what: `delete the link of index ${index}`, type: RTM_DELLINK, payload };
}

/** linux/net_namespace.h. */
const RTM_GETNSID = 90;
const NETNSA = { NSID: 1, FD: 3 } as const;
const NETNSA_NSID_NOT_ASSIGNED = 0xffff_ffff;

export function getNetnsId(netns: Netns): NetlinkRequest {
  const payload = encodePayload(new Uint8Array(4), [[NETNSA.FD, uint32(netns.fd)]]); // struct rtgenmsg, padded
  return { what: `find the number of namespace ${netns.path}`, type: RTM_GETNSID, payload };
}

/** Undefined for a namespace that nothing here leads to. @throws {IronbridgeError} IB_WIRE_TRUNCATED */
export function decodeNetnsId({ payload }: NetlinkMessage): number | undefined {
  const id = readUint32(decodeAttributes(payload, 4).get(NETNSA.NSID));
  return id === NETNSA_NSID_NOT_ASSIGNED ? undefined : id;
}

/** @throws {IronbridgeError} IB_WIRE_TRUNCATED */
export function decodeLink({ payload }: NetlinkMessage): Link {
  const attributes = decodeAttributes(payload, LINK_HEADER_LENGTH);
  const view = new DataView(payload.buffer, payload.byteOffset);
  const flags = view.getUint32(8, true);
  const mac = attributes.get(IFLA.ADDRESS);
  const info = attributes.get(IFLA.LINKINFO);
  const master = readUint32(attributes.get(IFLA.MASTER));
  const kind = info && readText(decodeAttributes(info).get(INFO.KIND));
  const peer = readUint32(attributes.get(IFLA.LINK));
  const peerNetns = readUint32(attributes.get(IFLA.LINK_NETNSID));
  const vxlan = info && kind === "vxlan" ? decodeVxlan(decodeAttributes(info).get(INFO.DATA)) : undefined;
  return {
    index: view.getInt32(4, true),
    name: readText(attributes.get(IFLA.IFNAME)) ?? "",
    mac: mac?.length === 6 ? mac.slice() : new Uint8Array(), // not the whole message it came in
    mtu: readUint32(attributes.get(IFLA.MTU)) ?? 0,
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    operational: attributes.get(IFLA.OPERSTATE)?.[0] === IF_OPER_UP,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    broadcast: (flags & IFF_BROADCAST) !== 0,
    noArp: (flags & IFF_NOARP) !== 0,
    ...(master !== undefined && { master }),
    ...(kind !== undefined && { kind }),
    ...(peer !== undefined && { peer }),
    ...(peerNetns !== undefined && { peerNetns }),
    ...(vxlan !== undefined && { vxlan }),
  };
}

function decodeVxlan(data: Uint8Array | undefined): NonNullable<Link["vxlan"]> | undefined {
  if (data === undefined) return undefined;
  const attributes = decodeAttributes(data);
  const local = attributes.get(VXLAN.LOCAL) ?? attributes.get(VXLAN.LOCAL6);
  const [high = 0, low = 0] = attributes.get(VXLAN.PORT) ?? [];
  return {
    vni: readUint32(attributes.get(VXLAN.ID)) ?? 0,
    port: (high << 8) | low,
    local: local === undefined ? "" : printAddress(addressFromBytes(local)),
    underlay: readUint32(attributes.get(VXLAN.LINK)) ?? 0,
  };
}

function portInfo(hairpin: boolean): readonly Attribute[] {
  return [
    [INFO.SLAVE_KIND, "bridge"],
    [INFO.SLAVE_DATA, [[IFLA_BRPORT_MODE, uint8(hairpin ? 1 : 0)]]],
  ];
}

function describeChange({ up, mtu, name, master, hairpin }: LinkChange): string {
  const parts = [
    up !== undefined && `state ${up ? "up" : "down"}`,
    mtu !== undefined && `MTU ${mtu}`,
    name !== undefined && `name ${name}`,
    master !== undefined && `master ${master}`,
    hairpin !== undefined && `hairpin ${hairpin ? "on" : "off"}`,
  ];
  return parts.filter((part) => part !== false).join(", ");
}

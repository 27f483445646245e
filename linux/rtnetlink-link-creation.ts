import { type Address, addressToBytes } from "../net/mod.ts";
import { encodeLinkHeader, IFLA, INFO, RTM_NEWLINK, VXLAN } from "./link-wire.ts";
import {
  type Attribute,
  encodePayload,
  type NetlinkRequest,
  NLM_F_CREATE,
  NLM_F_ECHO,
  NLM_F_EXCL,
  uint8,
  uint32,
} from "./netlink-message.ts";
import type { Netns } from "./netns.ts";

export interface BridgeOptions {
  readonly name: string;
  readonly mac: Uint8Array;
  readonly mtu: number;
}

export interface VethOptions {
  readonly name: string;
  readonly mtu: number;
  /** Index of the bridge the host end joins. */
  readonly master?: number;
  readonly peer: { readonly name: string; readonly netns: Netns; readonly mac?: Uint8Array };
}

/** A link whose only use is that its queueing discipline shapes what others redirect to it. */
export interface IfbOptions {
  readonly name: string;
  readonly mtu: number;
}

/** A tunnel of Ethernet frames in UDP whose peers are all told, never learned. RFC 7348. */
export interface VxlanOptions {
  readonly name: string;
  readonly mac: Uint8Array;
  readonly mtu: number;
  /** VXLAN network identifier, 24 bits. */
  readonly vni: number;
  /** UDP port of all peers. */
  readonly port: number;
  /** Where peers reach this end. */
  readonly local: Address;
  /** Index of the link that carries it. */
  readonly underlay: number;
}

/** linux/veth.h */
const VETH_INFO_PEER = 1;

export function addBridge({ name, mac, mtu }: BridgeOptions): NetlinkRequest {
  const attributes: Attribute[] = [
    [IFLA.IFNAME, name],
    [IFLA.ADDRESS, mac],
    [IFLA.MTU, uint32(mtu)],
    [IFLA.LINKINFO, [[INFO.KIND, "bridge"]]],
  ];
  return create(`create bridge ${name}`, attributes);
}

/**
 * A veth link uses one queue each way. Unasked, the kernel makes as many as there are processors, with their files in
 * /sys, and then takes all but one away: half of the time of making a link on two processors, more on more.
 */
const ONE_QUEUE: readonly Attribute[] = [
  [IFLA.NUM_TX_QUEUES, uint32(1)],
  [IFLA.NUM_RX_QUEUES, uint32(1)],
];

/** Both ends in one request. */
export function addVeth({ name, mtu, master, peer }: VethOptions): NetlinkRequest {
  const peerAttributes: Attribute[] = [
    [IFLA.IFNAME, peer.name],
    [IFLA.MTU, uint32(mtu)],
    [IFLA.NET_NS_FD, uint32(peer.netns.fd)],
    ...ONE_QUEUE,
  ];
  if (peer.mac !== undefined) peerAttributes.push([IFLA.ADDRESS, peer.mac]);
  const attributes: Attribute[] = [
    [IFLA.IFNAME, name],
    [IFLA.MTU, uint32(mtu)],
    ...ONE_QUEUE,
    [
      IFLA.LINKINFO,
      [
        [INFO.KIND, "veth"],
        [INFO.DATA, [[VETH_INFO_PEER, encodePayload(encodeLinkHeader({}), peerAttributes)]]],
      ],
    ],
  ];
  if (master !== undefined) attributes.push([IFLA.MASTER, uint32(master)]);
  return create(`create veth ${name} with peer ${peer.name}`, attributes);
}

export function addIfb({ name, mtu }: IfbOptions): NetlinkRequest {
  return create(`create ifb ${name}`, [
    [IFLA.IFNAME, name],
    [IFLA.MTU, uint32(mtu)],
    [IFLA.LINKINFO, [[INFO.KIND, "ifb"]]],
  ]);
}

export function addVxlan(options: VxlanOptions): NetlinkRequest {
  const { name, mac, mtu, vni, port, local, underlay } = options;
  const data: Attribute[] = [
    [VXLAN.ID, uint32(vni)],
    [VXLAN.LINK, uint32(underlay)],
    [local.family === "ipv4" ? VXLAN.LOCAL : VXLAN.LOCAL6, addressToBytes(local)],
    [VXLAN.LEARNING, uint8(0)],
    [VXLAN.PORT, Uint8Array.of(port >> 8, port & 0xff)],
  ];
  return create(`create vxlan ${name}`, [
    [IFLA.IFNAME, name],
    [IFLA.ADDRESS, mac],
    [IFLA.MTU, uint32(mtu)],
    [
      IFLA.LINKINFO,
      [
        [INFO.KIND, "vxlan"],
        [INFO.DATA, data],
      ],
    ],
  ]);
}

/** Answered with the new link; before Linux 6.2, with nothing. */
function create(what: string, attributes: readonly Attribute[]): NetlinkRequest {
  const payload = encodePayload(encodeLinkHeader({}), attributes);
  return { what, type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO, payload };
}

import { type Address, addressFromBytes, addressToBytes, type Family, printAddress } from "../net/mod.ts";
import { AF_INET, AF_INET6, hasErrno } from "./libc.ts";
import {
  type Attribute,
  decodeAttributes,
  encodePayload,
  NETLINK_NETFILTER,
  type NetlinkMessage,
  type NetlinkRequest,
  uint8,
  uint32,
} from "./netlink-message.ts";
import { openNetlinkSocket } from "./netlink-socket.ts";
import type { Netns } from "./netns.ts";

/** One direction of a connection with ports. */
export interface FlowTuple {
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  readonly destinationPort: number;
}

/** A connection the kernel tracks. What NAT changed is the difference of the two directions. */
export interface Flow {
  /** IPPROTO_*. */
  readonly protocol: number;
  /** As the first packet was sent. */
  readonly original: FlowTuple;
  /** As answers to it are sent. */
  readonly reply: FlowTuple;
}

/** Which connections: those whose first packet was sent to this port, or to any. */
export interface FlowFilter {
  readonly family: Family;
  /** IPPROTO_*. */
  readonly protocol: number;
  readonly destinationPort?: number;
}

/** The connections that one network namespace tracks. Calls are synchronous and throw IB_KERNEL_REFUSED. */
export interface Conntrack {
  /** The kernel does the filtering, from version 5.8 on. */
  flows(filter: FlowFilter): Flow[];
  /** The next packet begins a new connection. Nothing happens when it has ended already. */
  remove(flow: Flow): void;
  close(): void;
}

/** linux/netfilter/nfnetlink_conntrack.h and nfnetlink.h: NFNL_SUBSYS_CTNETLINK in the high octet. */
const CT_GET = (1 << 8) | 1;
const CT_DELETE = (1 << 8) | 2;
const CTA = { TUPLE_ORIG: 1, TUPLE_REPLY: 2, FILTER: 25 } as const;
const CTA_TUPLE = { IP: 1, PROTO: 2 } as const;
const CTA_IP = { ipv4: { SRC: 1, DST: 2 }, ipv6: { SRC: 3, DST: 4 } } as const;
const CTA_PROTO = { NUM: 1, SRC_PORT: 2, DST_PORT: 3 } as const;
const CTA_FILTER_ORIG_FLAGS = 1;
/** The parts of the tuple to compare (net/netfilter/nf_internals.h). */
const FILTER = { PROTOCOL: 1 << 3, DESTINATION_PORT: 1 << 5 } as const;

/** Opens connection tracking of `netns`, or of the namespace of this process. */
export function openConntrack(netns?: Netns): Conntrack {
  const socket = openNetlinkSocket(NETLINK_NETFILTER, netns);
  return {
    flows: (filter) => {
      const wanted = (flow: Flow | undefined): flow is Flow =>
        flow?.protocol === filter.protocol &&
        flow.original.destinationPort === (filter.destinationPort ?? flow.original.destinationPort);
      return socket.dump(listFlows(filter)).map(decodeFlow).filter(wanted);
    },
    remove: (flow) => {
      try {
        socket.request(removeFlow(flow));
      } catch (error) {
        if (!hasErrno(error, "ENOENT")) throw error;
      }
    },
    close: socket.close,
  };
}

export function listFlows({ family, protocol, destinationPort }: FlowFilter): NetlinkRequest {
  const proto: Attribute[] = [[CTA_PROTO.NUM, uint8(protocol)]];
  if (destinationPort !== undefined) proto.push([CTA_PROTO.DST_PORT, encodePort(destinationPort)]);
  const parts = FILTER.PROTOCOL | (destinationPort === undefined ? 0 : FILTER.DESTINATION_PORT);
  const payload = encodePayload(encodeHeader(family), [
    [CTA.TUPLE_ORIG, [[CTA_TUPLE.PROTO, proto]]],
    [CTA.FILTER, [[CTA_FILTER_ORIG_FLAGS, uint32(parts)]]],
  ]);
  return { what: `list the connections to port ${destinationPort ?? "any"}`, type: CT_GET, payload };
}

export function removeFlow({ protocol, original }: Flow): NetlinkRequest {
  const { family } = original.source;
  const tuple: Attribute[] = [
    [
      CTA_TUPLE.IP,
      [
        [CTA_IP[family].SRC, addressToBytes(original.source)],
        [CTA_IP[family].DST, addressToBytes(original.destination)],
      ],
    ],
    [
      CTA_TUPLE.PROTO,
      [
        [CTA_PROTO.NUM, uint8(protocol)],
        [CTA_PROTO.SRC_PORT, encodePort(original.sourcePort)],
        [CTA_PROTO.DST_PORT, encodePort(original.destinationPort)],
      ],
    ],
  ];
  const what = `forget the connection to ${printAddress(original.destination)} port ${original.destinationPort}`;
  return { what, type: CT_DELETE, payload: encodePayload(encodeHeader(family), [[CTA.TUPLE_ORIG, tuple]]) };
}

/** Undefined for protocols without ports. @throws {IronbridgeError} IB_WIRE_TRUNCATED */
export function decodeFlow({ payload }: NetlinkMessage): Flow | undefined {
  const attributes = decodeAttributes(payload, HEADER_LENGTH);
  const original = decodeTuple(attributes.get(CTA.TUPLE_ORIG));
  const reply = decodeTuple(attributes.get(CTA.TUPLE_REPLY));
  if (original === undefined || reply === undefined) return undefined;
  return { protocol: original.protocol, original: original.tuple, reply: reply.tuple };
}

function decodeTuple(bytes: Uint8Array | undefined): { protocol: number; tuple: FlowTuple } | undefined {
  if (bytes === undefined) return undefined;
  const parts = decodeAttributes(bytes);
  const ip = decodeAttributes(parts.get(CTA_TUPLE.IP) ?? new Uint8Array());
  const proto = decodeAttributes(parts.get(CTA_TUPLE.PROTO) ?? new Uint8Array());
  const source = ip.get(CTA_IP.ipv4.SRC) ?? ip.get(CTA_IP.ipv6.SRC);
  const destination = ip.get(CTA_IP.ipv4.DST) ?? ip.get(CTA_IP.ipv6.DST);
  const protocol = proto.get(CTA_PROTO.NUM)?.[0];
  const sourcePort = decodePort(proto.get(CTA_PROTO.SRC_PORT));
  const destinationPort = decodePort(proto.get(CTA_PROTO.DST_PORT));
  if (source === undefined || destination === undefined || protocol === undefined) return undefined;
  if (sourcePort === undefined || destinationPort === undefined) return undefined;
  const addresses = { source: addressFromBytes(source), destination: addressFromBytes(destination) };
  return { protocol, tuple: { ...addresses, sourcePort, destinationPort } };
}

/** Ports are in network order. */
function encodePort(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}

function decodePort(bytes: Uint8Array | undefined): number | undefined {
  return bytes?.length === 2 ? (bytes[0]! << 8) | bytes[1]! : undefined;
}

/** linux/netfilter/nfnetlink.h struct nfgenmsg: family 1, version 1, resource 2. */
const HEADER_LENGTH = 4;

function encodeHeader(family: Family): Uint8Array {
  return Uint8Array.of(family === "ipv4" ? AF_INET : AF_INET6, 0, 0, 0);
}

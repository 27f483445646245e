import {
  add,
  and,
  call,
  callKernel,
  type EbpfItem,
  exit,
  jump,
  jumpIf,
  type KernelTypes,
  label,
  load,
  loadMap,
  move,
  store,
} from "../linux/mod.ts";
import type { Family } from "../net/mod.ts";

/** What the program is told of this kernel. */
export interface KernelSymbols {
  /** Numbers of functions. */
  readonly lookup: number;
  readonly release: number;
  readonly refresh: number;
  /** Octets into struct nf_conn. */
  readonly status: number;
  readonly tcpState: number;
}

/** Descriptors of the maps: address of a pod of this node, or prefix of pods elsewhere, to the index of a link. */
export type FastPathMaps = Readonly<Record<Family, { readonly pods: number; readonly ways: number }>>;

const FUNCTIONS = { lookup: "bpf_skb_ct_lookup", release: "bpf_ct_release", refresh: "bpf_ct_change_timeout" } as const;
const TYPES = ["nf_conn", "nf_conntrack_proto", "ip_ct_tcp"] as const;
/** What findSymbols() will ask for. */
export const SYMBOL_NAMES: readonly string[] = [...Object.values(FUNCTIONS), ...TYPES];

/** Undefined when the kernel lacks any of it, or has connection tracking in a module. */
export function findSymbols(types: KernelTypes): KernelSymbols | undefined {
  const symbols = {
    lookup: types.functionId(FUNCTIONS.lookup),
    release: types.functionId(FUNCTIONS.release),
    refresh: types.functionId(FUNCTIONS.refresh),
    status: types.memberOffset("nf_conn", "status"),
    tcpState: sum([
      types.memberOffset("nf_conn", "proto"),
      types.memberOffset("nf_conntrack_proto", "tcp"),
      types.memberOffset("ip_ct_tcp", "state"),
    ]),
  };
  return Object.values(symbols).includes(undefined) ? undefined : (symbols as KernelSymbols);
}

function sum(parts: readonly (number | undefined)[]): number | undefined {
  return parts.reduce((total, part) => (total === undefined || part === undefined ? undefined : total + part), 0);
}

/** Where things are in a frame (octets), and how they look, in the host's order of octets (little). */
interface Layout {
  /** Of the Ethernet header. */
  readonly protocol: number;
  /** Ethernet, IP and TCP headers without options. */
  readonly headers: number;
  /** Of the TCP protocol number, addresses and ports. */
  readonly nextHeader: number;
  readonly addresses: number;
  readonly ports: number;
  /** Octets of an address. */
  readonly size: number;
}
const LAYOUTS: Readonly<Record<Family, Layout>> = {
  ipv4: { protocol: 0x0008, headers: 54, nextHeader: 23, addresses: 26, ports: 34, size: 4 },
  ipv6: { protocol: 0xdd86, headers: 74, nextHeader: 20, addresses: 22, ports: 54, size: 16 },
};
const ETHERNET = 14;
const IPPROTO_TCP = 6;
/** From the ports to the flags: FIN, SYN and RST. */
const FLAGS = 13;
const FIN_SYN_RST = 0x07;
/** More fragments, and the offset of this one. */
const FRAGMENT = 0xff3f;
const WITHOUT_OPTIONS = 0x45;

/** linux/bpf.h: struct __sk_buff, helpers. */
const SKB = { protocol: 16, ifindex: 40, data: 76, dataEnd: 80 } as const;
const HELPER = { mapLookup: 1, changeType: 32, redirectNeighbour: 152, redirectPeer: 155 } as const;
/** To links TCX_NEXT, to filters TC_ACT_UNSPEC. */
const GO_ON = -1;
const PACKET_HOST = 0;
/** linux/netfilter/nf_conntrack_common.h, nf_conntrack_tcp.h */
const IPS_ASSURED = 1 << 2;
/** Translated, renumbered, about to be forgotten, or read along by a helper as FTP is. */
const IPS_OTHER = (1 << 4) | (1 << 5) | (1 << 6) | (1 << 9) | (1 << 13);
const TCP_CONNTRACK_ESTABLISHED = 3;
const CURRENT_NAMESPACE = -1;
/** struct bpf_ct_opts as all kernels take it. */
const OPTIONS_LENGTH = 12;

/** On the stack, from R10 down. */
const STACK = { tuple: -40, options: -56, prefix: -80 } as const;
const stackPointer = (register: 2 | 4, offset: number) => [move(register, { register: 10 }), add(register, offset)];

/** Where packets come in: by a pod's link, or by the uplink or the tunnel. */
export type Entrance = "pod" | "node";

/**
 * Hands TCP packets of established connections that nothing translates from pod to pod, or to the link that leads to
 * the other node, past bridge and rules. Connection tracking of the node has seen both ends' first packets and the rules
 * have let them pass; it sees the last ones too, for these and everything else take the ordinary way.
 * @param entrance Only what pods send goes to other nodes: nothing here counts the hops of a packet that is passed on.
 * @param timeout Milliseconds that the node keeps a connection without a packet: packets on this way count.
 */
export function fastPathProgram(
  symbols: KernelSymbols,
  maps: FastPathMaps,
  entrance: Entrance,
  timeout: number,
): EbpfItem[] {
  const family = (name: Family) =>
    oneFamily(name, entrance, maps, (place) => onlyEstablished(name, place, symbols, timeout));
  return [
    move(6, { register: 1 }),
    load("u32", 2, 6, SKB.data),
    load("u32", 3, 6, SKB.dataEnd),
    load("u32", 5, 6, SKB.protocol),
    jumpIf(5, "==", LAYOUTS.ipv6.protocol, "ipv6"),
    jumpIf(5, "!=", LAYOUTS.ipv4.protocol, "pass"),
    ...family("ipv4"),
    label("ipv6"),
    ...family("ipv6"),
    label("pass"),
    move(0, GO_ON),
    exit(),
  ];
}

function oneFamily(
  family: Family,
  entrance: Entrance,
  maps: FastPathMaps,
  established: (place: string) => EbpfItem[],
): EbpfItem[] {
  const elsewhere = `${family} to another node`;
  return [
    ...onlyPlainTcp(family),
    ...copyTuple(family),
    ...loadMap(1, maps[family].pods),
    ...stackPointer(2, STACK.tuple + LAYOUTS[family].size),
    call(HELPER.mapLookup),
    jumpIf(0, "==", 0, entrance === "pod" ? elsewhere : "pass"),
    ...notBack(),
    ...established(`${family} here`),
    move(1, { register: 6 }),
    move(2, PACKET_HOST), // its MAC address is the other pod's, which is right where it arrives
    call(HELPER.changeType),
    move(1, { register: 7 }),
    move(2, 0),
    call(HELPER.redirectPeer),
    exit(),
    ...(entrance === "pod" ? [label(elsewhere), ...toOtherNode(family, maps, established(elsewhere))] : []),
  ];
}

function toOtherNode(family: Family, maps: FastPathMaps, established: readonly EbpfItem[]): EbpfItem[] {
  return [
    ...copyPrefix(family),
    ...loadMap(1, maps[family].ways),
    ...stackPointer(2, STACK.prefix),
    call(HELPER.mapLookup),
    jumpIf(0, "==", 0, "pass"),
    ...notBack(),
    ...established,
    move(1, { register: 7 }),
    ...[move(2, 0), move(3, 0), move(4, 0)],
    call(HELPER.redirectNeighbour),
    exit(),
  ];
}

/** R7 becomes the index of the link that R0 points to. What would go back by the link it came from is the bridge's business. */
function notBack(): EbpfItem[] {
  return [load("u32", 7, 0, 0), load("u32", 2, 6, SKB.ifindex), jumpIf(7, "==", { register: 2 }, "pass")];
}

/** R2 and R3 are start and end of the frame. */
function onlyPlainTcp(family: Family): EbpfItem[] {
  const { headers, nextHeader, ports } = LAYOUTS[family];
  const whole = [
    load("u8", 5, 2, ETHERNET),
    jumpIf(5, "!=", WITHOUT_OPTIONS, "pass"),
    load("u16", 5, 2, ETHERNET + 6),
    jumpIf(5, "any of", FRAGMENT, "pass"),
  ];
  return [
    move(4, { register: 2 }),
    add(4, headers),
    jumpIf(4, ">", { register: 3 }, "pass"),
    load("u8", 5, 2, nextHeader),
    jumpIf(5, "!=", IPPROTO_TCP, "pass"),
    ...(family === "ipv4" ? whole : []), // in IPv6, fragments and options are headers before TCP's
    load("u8", 5, 2, ports + FLAGS),
    jumpIf(5, "any of", FIN_SYN_RST, "pass"),
  ];
}

/** Both addresses and both ports, as struct bpf_sock_tuple has them. */
function copyTuple(family: Family): EbpfItem[] {
  const { addresses, ports, size } = LAYOUTS[family];
  const words = Array.from({ length: size / 2 }, (_, i) => ({ from: addresses + i * 4, to: STACK.tuple + i * 4 }));
  words.push({ from: ports, to: STACK.tuple + size * 2 });
  return words.flatMap(({ from, to }) => [load("u32", 5, 2, from), store("u32", 10, to, { register: 5 })]);
}

/** The destination, as a key of a map of prefixes. */
function copyPrefix(family: Family): EbpfItem[] {
  const { size } = LAYOUTS[family];
  const words = Array.from({ length: size / 4 }, (_, i) => i * 4);
  return [
    store("u32", 10, STACK.prefix, size * 8),
    ...words.flatMap((offset) => [
      load("u32", 5, 10, STACK.tuple + size + offset),
      store("u32", 10, STACK.prefix + 4 + offset, { register: 5 }),
    ]),
  ];
}

/** Keeps R6 and R7. `place` makes its labels its own. */
function onlyEstablished(family: Family, place: string, symbols: KernelSymbols, timeout: number): EbpfItem[] {
  const { size } = LAYOUTS[family];
  const release = [move(1, { register: 8 }), callKernel(symbols.release)];
  const next = `${place}: established`;
  const other = `${place}: not`;
  return [
    store("u32", 10, STACK.options, CURRENT_NAMESPACE),
    store("u32", 10, STACK.options + 4, 0),
    store("u32", 10, STACK.options + 8, IPPROTO_TCP),
    move(1, { register: 6 }),
    ...stackPointer(2, STACK.tuple),
    move(3, size * 2 + 4),
    ...stackPointer(4, STACK.options),
    move(5, OPTIONS_LENGTH),
    callKernel(symbols.lookup),
    jumpIf(0, "==", 0, "pass"),
    move(8, { register: 0 }),
    load("u64", 1, 8, symbols.status),
    and(1, IPS_ASSURED | IPS_OTHER),
    load("u8", 2, 8, symbols.tcpState),
    jumpIf(1, "!=", IPS_ASSURED, other),
    jumpIf(2, "==", TCP_CONNTRACK_ESTABLISHED, next),
    label(other),
    ...release,
    jump("pass"),
    label(next),
    move(1, { register: 8 }),
    move(2, timeout),
    callKernel(symbols.refresh),
    ...release,
  ];
}

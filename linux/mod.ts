export { type BpfInstruction, FILTER_ACCEPT, FILTER_CODE, FILTER_DROP } from "./bpf.ts";
export { type KernelTypes, readKernelTypes } from "./btf.ts";
export {
  type Conntrack,
  type Flow,
  type FlowFilter,
  type FlowTuple,
  openConntrack,
} from "./conntrack.ts";
export {
  attachEbpfProgram,
  createEbpfMap,
  type EbpfMap,
  type KernelObject,
  loadEbpfProgram,
} from "./ebpf.ts";
export {
  add,
  and,
  assemble,
  call,
  callKernel,
  type EbpfItem,
  exit,
  jump,
  jumpIf,
  label,
  load,
  loadMap,
  move,
  store,
} from "./ebpf-assembler.ts";
export { disableTxChecksum, readTxChecksum } from "./ethtool.ts";
export { type ExecOptions, exec } from "./exec.ts";
export { type GroupMembership, openGroupMembership } from "./group-membership.ts";
export { type Iptables, type IptablesTable, openIptables } from "./iptables.ts";
export { type FakeIptables, fakeIptables } from "./iptables-fake.ts";
export type { IptablesVariant } from "./iptables-variant.ts";
export { ipv6ForwardingSettings, type Sysctls } from "./ipv6-forwarding.ts";
export { hasErrno } from "./libc.ts";
export { type ChecksumMaker, type LinkDatagrams, openLinkDatagrams } from "./link-datagrams.ts";
export { linkExists, watchLinkRemovals } from "./link-removals.ts";
export { type LocalConnection, listenLocally } from "./local-listener.ts";
export { type Netns, openNetns, runInNetns } from "./netns.ts";
export { type Nft, openNft } from "./nft.ts";
export type { NftElement } from "./nft-element.ts";
export { type FakeNft, fakeNft } from "./nft-fake.ts";
export type { NftJournal } from "./nft-journal.ts";
export { type NftReader, type NftTable, openNftReader } from "./nft-reader.ts";
export { watchNft } from "./nft-watch.ts";
export { openPacketSocket, type PacketSocket, type PacketSocketOptions } from "./packet-socket.ts";
export { LOOPBACK_INDEX, openRtnetlink, type Rtnetlink } from "./rtnetlink.ts";
export type { LinkAddress } from "./rtnetlink-address.ts";
export { type FakeRtnetlink, fakeRtnetlink } from "./rtnetlink-fake.ts";
export type { Link, LinkChange } from "./rtnetlink-link.ts";
export type { BridgeOptions, IfbOptions, VethOptions, VxlanOptions } from "./rtnetlink-link-creation.ts";
export type { Neighbour, TunnelPeer } from "./rtnetlink-neighbour.ts";
export type { Qdisc, TokenBucket } from "./rtnetlink-qdisc.ts";
export { ROUTE_PROTOCOL, type Route } from "./rtnetlink-route.ts";
export { type RtnetlinkTopic, watchRtnetlink } from "./rtnetlink-watch.ts";
export { createListenSocket, createUdpSocket, type SocketAddress, setSocketFilter } from "./socket.ts";
export { listSysctls, readSysctl, writeOptionalSysctl, writeSysctl } from "./sysctl.ts";
export {
  applyTcpOptions,
  closeSocket,
  type DialOptions,
  dialTcp,
  listenTcp,
  localEndOf,
  setMd5Key,
  type TcpListener,
} from "./tcp-socket.ts";
export { type TtlRule, ttlFilter } from "./ttl-filter.ts";
export { openUdpSender, type UdpSender } from "./udp-sender.ts";

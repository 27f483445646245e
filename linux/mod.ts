export { type ExecOptions, exec } from "./exec.ts";
export { type Iptables, type IptablesVariant, openIptables } from "./iptables.ts";
export { type Netns, openNetns, runInNetns } from "./netns.ts";
export { type Nft, openNft, watchNft } from "./nft.ts";
export { type BpfInstruction, openPacketSocket, type PacketSocket, type PacketSocketOptions } from "./packet-socket.ts";
export {
  type Link,
  type LinkAddress,
  type Neighbour,
  openRtnetlink,
  ROUTE_PROTOCOL,
  type Route,
  type Rtnetlink,
  type RtnetlinkTopic,
  type VethOptions,
  watchRtnetlink,
} from "./rtnetlink.ts";
export { readSysctl, writeSysctl } from "./sysctl.ts";

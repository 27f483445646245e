export {
  ADDRESS_BITS,
  type Address,
  addressFromBytes,
  addressToBytes,
  compareAddresses,
  type Family,
  isLinkLocal,
  parseAddress,
  printAddress,
  sameAddress,
  tryParseAddress,
} from "./address.ts";
export {
  ARP_LENGTH,
  ArpOperation,
  type ArpPacket,
  arpReply,
  decodeArp,
  encodeArp,
  gratuitousArp,
} from "./arp.ts";
export {
  BFD_PORT,
  BFD_SOURCE_PORTS,
  BfdDiagnostic,
  type BfdPacket,
  BfdState,
  decodeBfd,
  encodeBfd,
} from "./bfd.ts";
export { type AsnWidth, AsSegment } from "./bgp-as-path.ts";
export { type BgpAttributes, BgpOrigin, encodeBgpAttributes } from "./bgp-attribute.ts";
export { Afi, type BgpCapability, SAFI_UNICAST } from "./bgp-capability.ts";
export {
  BGP_HEADER_LENGTH,
  BGP_MESSAGE_LENGTH,
  BgpFramer,
  type BgpMessage,
  decodeBgpMessage,
  encodeBgpMessage,
  type RouteRefresh,
} from "./bgp-message.ts";
export {
  BgpErrorCode,
  type BgpNotification,
  BgpRefusal,
  CeaseError,
  ceaseWith,
  communicationOf,
  HeaderError,
  hardResetWith,
  NO_DATA,
  OpenError,
  printBgpNotification,
  StateMachineError,
  UpdateError,
} from "./bgp-notification.ts";
export { AS_TRANS, type BgpOpen } from "./bgp-open.ts";
export { type BgpUpdate, cutNlri, endOfRib, endOfRibOf } from "./bgp-update.ts";
export {
  decodeEthernet,
  ETHERNET_HEADER_LENGTH,
  type EthernetFrame,
  EtherType,
  encodeEthernet,
} from "./ethernet.ts";
export { ALL_NODES, ICMPV6_PROTOCOL, IPV6_HEADER_LENGTH, NDP_HOP_LIMIT } from "./icmpv6.ts";
export { BROADCAST_MAC, MAC_LENGTH, parseMac, printMac } from "./mac.ts";
export {
  decodeNdp,
  encodeNdp,
  isUnspecified,
  multicastMac,
  type NdpPacket,
  NdpType,
  type NeighbourAdvertisement,
  type NeighbourSolicitation,
  solicitedNodeGroup,
} from "./ndp.ts";
export { BRIDGE_NAME, OWN_LINK_SHAPES, POD_LINK_NAME, TUNNEL_NAME } from "./own-links.ts";
export {
  type Prefix,
  parsePrefix,
  parseRange,
  prefixContains,
  prefixOf,
  prefixRange,
  printPrefix,
  printRange,
  type Range,
  rangeContains,
  rangePrefixes,
  rangesOverlap,
} from "./prefix.ts";
export {
  encodeRouterAdvertisement,
  ROUTER_ADVERTISEMENT,
  readRouterAdvertisement,
} from "./router-advertisement.ts";

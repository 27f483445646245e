export {
  ADDRESS_BITS,
  type Address,
  addressFromBytes,
  addressToBytes,
  compareAddresses,
  type Family,
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
  decodeEthernet,
  ETHERNET_HEADER_LENGTH,
  type EthernetFrame,
  EtherType,
  encodeEthernet,
} from "./ethernet.ts";
export { BROADCAST_MAC, MAC_LENGTH, parseMac, printMac } from "./mac.ts";
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

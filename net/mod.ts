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
  rangesOverlap,
} from "./prefix.ts";

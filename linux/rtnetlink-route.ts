import {
  type Address,
  addressFromBytes,
  addressToBytes,
  type Family,
  type Prefix,
  prefixOf,
  printPrefix,
} from "../net/mod.ts";
import { AF_INET, AF_INET6 } from "./libc.ts";
import {
  type Attribute,
  decodeAttributes,
  encodePayload,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  readUint32,
  uint32,
} from "./netlink-message.ts";

export interface Route {
  readonly destination: Prefix;
  /** Of the destination's family; that of an IPv4 route may be an IPv6 one. */
  readonly gateway?: Address;
  readonly ifindex?: number;
  /** Preferred source. */
  readonly source?: Address;
  /** Who made it: RTPROT_* or our own number (ROUTE_PROTOCOL). */
  readonly protocol: number;
  /** The gateway is on the link though no address says so. */
  readonly onLink?: boolean;
}

/** The protocol number of routes made by Ironbridge (rt_protos leaves 64 to 185 free). */
export const ROUTE_PROTOCOL = 73;

/** linux/rtnetlink.h. */
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5, PREFSRC: 7, TABLE: 15, VIA: 18 } as const;
/** struct rtvia: the address family, before the octets of the gateway. */
const VIA_HEADER_LENGTH = 2;
const RT_TABLE_MAIN = 254;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
/** In a deletion: of any scope. */
const RT_SCOPE_NOWHERE = 255;
const RTN_UNICAST = 1;
const RTNH_F_ONLINK = 4;
/** An entry of the kernel's cache of exceptions, not of the table. */
const RTM_F_CLONED = 0x200;

export function listRoutes(): NetlinkRequest {
  const header = new Uint8Array(HEADER_LENGTH);
  header[4] = RT_TABLE_MAIN;
  return { what: "list the routes", type: RTM_GETROUTE, payload: header };
}

export function replaceRoute(route: Route): NetlinkRequest {
  const scope = route.gateway === undefined && route.destination.family === "ipv4" ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  const payload = encodePayload(encodeHeader(route, scope), routeAttributes(route));
  return { what: `set ${describe(route)}`, type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_REPLACE, payload };
}

export function removeRoute(route: Route): NetlinkRequest {
  const payload = encodePayload(encodeHeader(route, RT_SCOPE_NOWHERE), routeAttributes(route));
  return { what: `delete ${describe(route)}`, type: RTM_DELROUTE, payload };
}

/**
 * A unicast route of the main table, undefined for any other. A route with several next hops has no gateway here.
 * @throws {IronbridgeError} IB_WIRE_TRUNCATED
 */
export function decodeRoute({ payload }: NetlinkMessage): Route | undefined {
  const attributes = decodeAttributes(payload, HEADER_LENGTH);
  const [family, length = 0, , , table, protocol = 0, , type] = payload;
  const flags = new DataView(payload.buffer, payload.byteOffset).getUint32(8, true);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  if ((readUint32(attributes.get(RTA.TABLE)) ?? table) !== RT_TABLE_MAIN) return undefined;
  if (type !== RTN_UNICAST || (flags & RTM_F_CLONED) !== 0) return undefined;
  const destination = attributes.get(RTA.DST) ?? new Uint8Array(family === AF_INET ? 4 : 16);
  const gateway = attributes.get(RTA.GATEWAY) ?? attributes.get(RTA.VIA)?.subarray(VIA_HEADER_LENGTH);
  const ifindex = readUint32(attributes.get(RTA.OIF));
  const source = attributes.get(RTA.PREFSRC);
  return {
    destination: prefixOf(addressFromBytes(destination), length),
    ...(gateway && { gateway: addressFromBytes(gateway) }),
    ...(ifindex !== undefined && { ifindex }),
    ...(source && { source: addressFromBytes(source) }),
    protocol,
    ...((flags & RTNH_F_ONLINK) !== 0 && { onLink: true }),
  };
}

function routeAttributes({ destination, gateway, ifindex, source }: Route): Attribute[] {
  const attributes: Attribute[] = [];
  if (destination.length > 0) {
    attributes.push([RTA.DST, addressToBytes({ family: destination.family, value: destination.first })]);
  }
  if (gateway !== undefined) attributes.push(gatewayAttribute(gateway, destination.family));
  if (ifindex !== undefined) attributes.push([RTA.OIF, uint32(ifindex)]);
  if (source !== undefined) attributes.push([RTA.PREFSRC, addressToBytes(source)]);
  return attributes;
}

function gatewayAttribute(gateway: Address, family: Family): Attribute {
  const octets = addressToBytes(gateway);
  if (gateway.family === family) return [RTA.GATEWAY, octets];
  const via = new Uint8Array(VIA_HEADER_LENGTH + octets.length);
  new DataView(via.buffer).setUint16(0, gateway.family === "ipv4" ? AF_INET : AF_INET6, true);
  via.set(octets, VIA_HEADER_LENGTH);
  return [RTA.VIA, via];
}

function describe({ destination, ifindex }: Route): string {
  return `route ${printPrefix(destination)}${ifindex === undefined ? "" : ` over the link of index ${ifindex}`}`;
}

/** family, destination length, source length, tos, table, protocol, scope, type: 1 each; flags 4. */
const HEADER_LENGTH = 12;

/** linux/rtnetlink.h struct rtmsg. */
function encodeHeader({ destination, protocol, onLink }: Route, scope: number): Uint8Array {
  const family = destination.family === "ipv4" ? AF_INET : AF_INET6;
  return Uint8Array.of(
    ...[family, destination.length, 0, 0],
    ...[RT_TABLE_MAIN, protocol, scope, RTN_UNICAST],
    ...[onLink ? RTNH_F_ONLINK : 0, 0, 0, 0],
  );
}

import { type Address, addressFromBytes, addressToBytes, printAddress } from "../net/mod.ts";
import { AF_INET, AF_INET6 } from "./libc.ts";
import {
  type Attribute,
  decodeAttributes,
  encodePayload,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_CREATE,
  NLM_F_EXCL,
  uint32,
} from "./netlink-message.ts";

export interface LinkAddress {
  readonly ifindex: number;
  readonly address: Address;
  /** Bits. */
  readonly length: number;
}

/** linux/rtnetlink.h and linux/if_addr.h. */
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const IFA = { ADDRESS: 1, LOCAL: 2, FLAGS: 8 } as const;
/** Usable at once: no duplicate address detection. */
const IFA_F_NODAD = 0x2;

export function listAddresses(): NetlinkRequest {
  return { what: "list the addresses", type: RTM_GETADDR, payload: new Uint8Array(HEADER_LENGTH) };
}

export function addAddress(address: LinkAddress): NetlinkRequest {
  const attributes = addressAttributes(address);
  if (address.address.family === "ipv6") attributes.push([IFA.FLAGS, uint32(IFA_F_NODAD)]);
  const payload = encodePayload(encodeHeader(address), attributes);
  return { what: `add ${describe(address)}`, type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL, payload };
}

export function removeAddress(address: LinkAddress): NetlinkRequest {
  const payload = encodePayload(encodeHeader(address), addressAttributes(address));
  return { what: `delete ${describe(address)}`, type: RTM_DELADDR, payload };
}

/** @throws {IronbridgeError} IB_WIRE_TRUNCATED */
export function decodeLinkAddress({ payload }: NetlinkMessage): LinkAddress | undefined {
  const attributes = decodeAttributes(payload, HEADER_LENGTH);
  const view = new DataView(payload.buffer, payload.byteOffset);
  // On a point-to-point link IFA_ADDRESS is the other end; IPv6 without a peer has no IFA_LOCAL.
  const octets = attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS);
  if (octets === undefined) return undefined;
  return { ifindex: view.getUint32(4, true), address: addressFromBytes(octets), length: view.getUint8(1) };
}

function addressAttributes({ address }: LinkAddress): Attribute[] {
  const octets = addressToBytes(address);
  return [
    [IFA.LOCAL, octets],
    [IFA.ADDRESS, octets],
  ];
}

function describe({ address, length, ifindex }: LinkAddress): string {
  return `address ${printAddress(address)}/${length} on the link of index ${ifindex}`;
}

/** family 1, prefix length 1, flags 1, scope 1, index 4. */
const HEADER_LENGTH = 8;

/** linux/if_addr.h struct ifaddrmsg. */
function encodeHeader({ ifindex, address, length }: LinkAddress): Uint8Array {
  const view = new DataView(new ArrayBuffer(HEADER_LENGTH));
  view.setUint8(0, address.family === "ipv4" ? AF_INET : AF_INET6);
  view.setUint8(1, length);
  view.setUint32(4, ifindex, true);
  return new Uint8Array(view.buffer);
}

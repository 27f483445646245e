import { type Address, addressFromBytes, addressToBytes, parseAddress } from "../net/mod.ts";
import { type BpfInstruction, encodeFilter } from "./bpf.ts";
import {
  AF_INET,
  AF_INET6,
  attachFilter,
  bind,
  bindToDevice,
  check,
  close,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  listen,
  SO_REUSEADDR,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  setsockopt,
  socket,
} from "./libc.ts";
import { type Netns, runInOptionalNetns } from "./netns.ts";

/** Connections waiting to be accepted; Node's own default. */
const BACKLOG = 511;

/**
 * A listening TCP socket inside `netns`, for `server.listen({ fd })`, which closes it with the server.
 * @throws {IronbridgeError} IB_ADDRESS_INVALID, IB_KERNEL_REFUSED for example when the port is taken
 */
export function createListenSocket(address: string, port: number, netns?: Netns): number {
  const fd = createBoundSocket(SOCK_STREAM, address, port, netns);
  check(listen(fd, BACKLOG), `listen on ${address} port ${port}`);
  return fd;
}

/**
 * A bound UDP socket inside `netns`, for `socket.bind({ fd })` of node:dgram. Errors as createListenSocket().
 * @param device Name of the only interface it receives from and sends through.
 */
export function createUdpSocket(address: string, port: number, netns?: Netns, device?: string): number {
  return createBoundSocket(SOCK_DGRAM, address, port, netns, device);
}

/** What `fd` receives from now on passes `filter` first, inside the kernel. @throws {IronbridgeError} IB_KERNEL_REFUSED */
export function setSocketFilter(fd: number, filter: readonly BpfInstruction[]): void {
  check(attachFilter(fd, encodeFilter(filter)), "set the filter of a socket");
}

/** IPv6 sockets take IPv6 only, so that both families can bind the same port. */
function createBoundSocket(type: number, text: string, port: number, netns?: Netns, device?: string): number {
  const address = parseAddress(text);
  const what = `bind ${text} port ${port}`;
  const family = address.family === "ipv4" ? AF_INET : AF_INET6;
  const fd = runInOptionalNetns(netns, () => check(socket(family, type | SOCK_NONBLOCK, 0), what));
  try {
    check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1), what);
    if (family === AF_INET6) check(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1), what);
    if (device !== undefined) check(bindToDevice(fd, device), what);
    check(bind(fd, encodeSocketAddress(address, port)), what);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/**
 * struct sockaddr_in (family, port, address, padding 8) or sockaddr_in6 (family, port, flow, address, scope).
 * @param scope Index of the interface a link-local address is on.
 */
export function encodeSocketAddress(address: Address, port: number, scope = 0): Uint8Array {
  const view = new DataView(new ArrayBuffer(address.family === "ipv4" ? 16 : 28));
  if (address.family === "ipv6") view.setUint32(24, scope, true);
  view.setUint16(0, address.family === "ipv4" ? AF_INET : AF_INET6, true);
  view.setUint16(2, port, false);
  const bytes = new Uint8Array(view.buffer);
  bytes.set(addressToBytes(address), address.family === "ipv4" ? 4 : 8);
  return bytes;
}

/** Octets that hold the address of any socket. */
export const SOCKET_ADDRESS_LENGTH = 28;

/** What encodeSocketAddress() wrote, or the kernel. @throws {IronbridgeError} IB_WIRE_TRUNCATED */
export function decodeSocketAddress(bytes: Uint8Array): SocketAddress {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const port = view.getUint16(2, false);
  if (view.getUint16(0, true) === AF_INET) return { address: addressFromBytes(bytes.subarray(4, 8)), port, scope: 0 };
  return { address: addressFromBytes(bytes.subarray(8, 24)), port, scope: view.getUint32(24, true) };
}

/** One end of a connection. */
export interface SocketAddress {
  readonly address: Address;
  readonly port: number;
  /** Index of the interface a link-local address is on; else 0. */
  readonly scope: number;
}

import { ADDRESS_BITS, type Address, type Family, printAddress } from "../net/mod.ts";
import {
  AF_INET,
  AF_INET6,
  accept,
  bind,
  bindToDevice,
  check,
  close,
  connect,
  ERRNO,
  getsockname,
  getsockopt,
  IP_MINTTL,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_MINHOPCOUNT,
  IPV6_TCLASS,
  IPV6_UNICAST_HOPS,
  kernelError,
  pollReadable,
  pollWritable,
  SO_ERROR,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  setsockopt,
  socket,
  TCP_MD5SIG,
  TCP_NODELAY,
} from "./libc.ts";
import { type Netns, runInOptionalNetns } from "./netns.ts";
import {
  createListenSocket,
  decodeSocketAddress,
  encodeSocketAddress,
  SOCKET_ADDRESS_LENGTH,
  type SocketAddress,
} from "./socket.ts";

/** What node:net can't ask of a connection. */
export interface TcpOptions {
  /** TTL or hop limit of what is sent. */
  readonly ttl?: number;
  /** What comes with a smaller one is dropped by the kernel: GTSM, RFC 5082. */
  readonly minimumTtl?: number;
  /** Class of service of what is sent: 0xc0 is CS6, network control. */
  readonly trafficClass?: number;
}

export interface DialOptions extends TcpOptions {
  readonly remote: Address;
  readonly port: number;
  /** The address to call from; the kernel's choice when absent. */
  readonly local?: Address;
  /** Name and index of the interface to go through: a VRF, or where a link-local address is. */
  readonly device?: { readonly name: string; readonly index: number };
  /** Shared key that signs every segment: RFC 2385. At most 80 octets. */
  readonly md5Key?: string;
  readonly netns?: Netns;
}

/**
 * Connects without waiting. `onDone` gets the descriptor, for `new net.Socket({ fd })`, which closes it; or why there is
 * none. Not called after cancel().
 */
export function dialTcp(options: DialOptions, onDone: (fd: number | Error) => void): { cancel(): void } {
  const what = `connect to ${printAddress(options.remote)} port ${options.port}`;
  let fd: number;
  try {
    fd = startDial(options, what);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const failed = setImmediate(onDone, error);
    return { cancel: () => clearImmediate(failed) };
  }
  let open = true;
  const stop = pollWritable(fd, () => {
    open = false;
    const errno = getsockopt(fd, SOL_SOCKET, SO_ERROR);
    if (errno === 0) return onDone(fd);
    close(fd);
    onDone(kernelError(what, Math.abs(errno)));
  });
  const cancel = () => {
    if (!open) return;
    open = false;
    stop();
    close(fd);
  };
  return { cancel };
}

function startDial(options: DialOptions, what: string): number {
  const { remote, port, local, device, md5Key, netns } = options;
  const scope = device?.index ?? 0;
  const type = SOCK_STREAM | SOCK_NONBLOCK;
  const fd = runInOptionalNetns(netns, () => check(socket(familyOf(remote.family), type, 0), what));
  try {
    applyTcpOptions(fd, remote.family, options, what);
    if (device !== undefined) check(bindToDevice(fd, device.name), what);
    if (md5Key !== undefined) setMd5Key(fd, remote, md5Key);
    if (local !== undefined)
      check(bind(fd, encodeSocketAddress(local, 0, scope)), `${what} from ${printAddress(local)}`);
    const begun = connect(fd, encodeSocketAddress(remote, port, scope));
    if (begun !== -ERRNO.EINPROGRESS) check(begun, what);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** @throws {IronbridgeError} IB_KERNEL_REFUSED */
export function applyTcpOptions(fd: number, family: Family, options: TcpOptions, what: string): void {
  const { ttl, minimumTtl, trafficClass } = options;
  const v4 = family === "ipv4";
  const level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, 1), what);
  if (ttl !== undefined) check(setsockopt(fd, level, v4 ? IP_TTL : IPV6_UNICAST_HOPS, ttl), what);
  if (minimumTtl !== undefined) check(setsockopt(fd, level, v4 ? IP_MINTTL : IPV6_MINHOPCOUNT, minimumTtl), what);
  if (trafficClass !== undefined) check(setsockopt(fd, level, v4 ? IP_TOS : IPV6_TCLASS, trafficClass), what);
}

/** Octets of a key: linux/tcp.h, TCP_MD5SIG_MAXKEYLEN. */
const LONGEST_KEY = 80;

/**
 * Segments to and from `peer` carry a signature made with `key`; others are dropped. Undefined: no signature. For a
 * listening socket once for each peer. struct tcp_md5sig: address 128, flags 1, prefix length 1, key length 2, index 4,
 * key 80.
 */
export function setMd5Key(fd: number, peer: Address, key: string | undefined): void {
  const octets = new TextEncoder().encode(key ?? "");
  const what = `set the TCP-MD5 key for ${printAddress(peer)}`;
  if (octets.length > LONGEST_KEY) throw kernelError(`${what} of ${octets.length} octets`, ERRNO.EINVAL);
  const option = new Uint8Array(128 + 8 + LONGEST_KEY);
  option.set(encodeSocketAddress(peer, 0));
  option[129] = ADDRESS_BITS[peer.family];
  new DataView(option.buffer).setUint16(130, octets.length, true);
  option.set(octets, 136);
  const failure = setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, option);
  // Taking away a key that is not there is no failure.
  if (failure !== -2 || key !== undefined) check(failure, what);
}

/** A listening TCP socket that hands out bare descriptors. */
export interface TcpListener {
  readonly fd: number;
  close(): void;
}

/**
 * Listens on `port` of every address of `family`. Every connection is given to `onConnection`, which owns its descriptor.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED for example when the port is taken
 */
export function listenTcp(
  family: Family,
  port: number,
  onConnection: (fd: number, from: SocketAddress) => void,
  netns?: Netns,
): TcpListener {
  const fd = createListenSocket(family === "ipv4" ? "0.0.0.0" : "::", port, netns);
  const stop = pollReadable(fd, () => {
    // A few at a time, so that somebody who connects without end does not keep this thread from its other work.
    for (let i = 0; i < ACCEPTED_AT_ONCE; i++) {
      const from = new Uint8Array(SOCKET_ADDRESS_LENGTH);
      const accepted = accept(fd, from);
      if (accepted < 0) return;
      onConnection(accepted, decodeSocketAddress(from));
    }
  });
  const closeListener = () => {
    stop();
    close(fd);
  };
  return { fd, close: closeListener };
}

const ACCEPTED_AT_ONCE = 16;

/** Our end of the connection. */
export function localEndOf(fd: number): SocketAddress {
  const bytes = new Uint8Array(SOCKET_ADDRESS_LENGTH);
  check(getsockname(fd, bytes), "read the address of a connection");
  return decodeSocketAddress(bytes);
}

/** Closes a connection that nobody reads: the other side gets a reset if it sends. */
export function closeSocket(fd: number): void {
  close(fd);
}

function familyOf(family: Family): number {
  return family === "ipv4" ? AF_INET : AF_INET6;
}

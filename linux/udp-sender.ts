import { type Address, printAddress } from "../net/mod.ts";
import {
  AF_INET,
  AF_INET6,
  bind,
  bindToDevice,
  check,
  close,
  connect,
  ERRNO,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_TCLASS,
  IPV6_UNICAST_HOPS,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  send,
  setsockopt,
  socket,
} from "./libc.ts";
import { type Netns, runInOptionalNetns } from "./netns.ts";
import { encodeSocketAddress } from "./socket.ts";

export interface UdpSenderOptions {
  readonly remote: Address;
  readonly port: number;
  /** The address to send from; the kernel's choice when absent. */
  readonly local?: Address;
  /** The port to send from: the first free one of these. */
  readonly sourcePorts: Iterable<number>;
  /** Interface to send through: a VRF, or where a link-local address is. */
  readonly device?: { readonly name: string; readonly index: number };
  /** TTL or hop limit. */
  readonly ttl: number;
  readonly trafficClass: number;
  readonly netns?: Netns;
}

/** Sends datagrams to one receiver, at the moment it is asked to. */
export interface UdpSender {
  /** False when the kernel did not take it; what is lost is lost, as on the wire. */
  send(bytes: Uint8Array): boolean;
  close(): void;
}

/** @throws {IronbridgeError} IB_KERNEL_REFUSED, for example when there is no route to the receiver */
export function openUdpSender(options: UdpSenderOptions): UdpSender {
  const { remote, port, device, netns } = options;
  const what = `send to ${printAddress(remote)} port ${port}`;
  const family = remote.family === "ipv4" ? AF_INET : AF_INET6;
  const fd = runInOptionalNetns(netns, () => check(socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0), what));
  try {
    prepare(fd, options, what);
    check(connect(fd, encodeSocketAddress(remote, port, device?.index)), what);
  } catch (error) {
    close(fd);
    throw error;
  }
  return { send: (bytes) => send(fd, bytes) >= 0, close: () => close(fd) };
}

function prepare(fd: number, options: UdpSenderOptions, what: string): void {
  const { remote, local, device, ttl, trafficClass, sourcePorts } = options;
  const v4 = remote.family === "ipv4";
  const level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  check(setsockopt(fd, level, v4 ? IP_TTL : IPV6_UNICAST_HOPS, ttl), what);
  check(setsockopt(fd, level, v4 ? IP_TOS : IPV6_TCLASS, trafficClass), what);
  if (device !== undefined) check(bindToDevice(fd, device.name), what);
  const from = local ?? { family: remote.family, value: 0n };
  let bound: number = -ERRNO.EADDRNOTAVAIL;
  for (const port of sourcePorts) {
    bound = bind(fd, encodeSocketAddress(from, port, device?.index));
    if (bound !== -ERRNO.EADDRINUSE) break;
  }
  check(bound, `${what} from ${printAddress(from)}`);
}

import { type Address, type Family, printAddress } from "../net/mod.ts";
import {
  check,
  close,
  ERRNO,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_UNICAST_HOPS,
  MSG_DONTWAIT,
  MSG_MORE,
  pollReadable,
  receiveFrom,
  send,
  sendTo,
  setsockopt,
} from "./libc.ts";
import {
  createUdpSocket,
  decodeSocketAddress,
  encodeSocketAddress,
  SOCKET_ADDRESS_LENGTH,
  setSocketFilter,
} from "./socket.ts";
import { ttlFilter } from "./ttl-filter.ts";

/**
 * Who makes the checksum of a datagram: the interface, as that of most packets (CHECKSUM_PARTIAL in linux/skbuff.h), or
 * this kernel before it hands the datagram over.
 */
export type ChecksumMaker = "interface" | "kernel";

export interface LinkDatagramsOptions {
  /** Name of the interface. */
  readonly device: string;
  /** An address of it. */
  readonly local: Address;
  /** Of both ends. */
  readonly port: number;
  /** @param from A host on the same link, which sent it from `port`. */
  readonly onDatagram: (bytes: Uint8Array, from: Address) => void;
}

/** UDP between direct neighbours on one link: what a router has forwarded is dropped by the kernel (GTSM, RFC 5082). */
export interface LinkDatagrams {
  /** False when the kernel did not take it; what is lost is lost, as on the wire. */
  send(bytes: Uint8Array, to: Address, maker: ChecksumMaker): boolean;
  close(): void;
}

/** The largest TTL there is; one router less has been passed for each number below. */
const NO_ROUTER = 255;
/** Read before other work gets a turn; the rest wakes the thread again at once. */
const DATAGRAMS_PER_WAKE = 64;
/** Octets; longer datagrams are cut. */
const LONGEST = 512;

/** @throws {IronbridgeError} IB_KERNEL_REFUSED, for example when the port is taken */
export function openLinkDatagrams({ device, local, port, onDatagram }: LinkDatagramsOptions): LinkDatagrams {
  const fd = createUdpSocket(printAddress(local), port, undefined, device);
  try {
    stayOnLink(fd, local.family);
  } catch (error) {
    close(fd);
    throw error;
  }
  const buffer = new Uint8Array(LONGEST);
  const sender = new Uint8Array(SOCKET_ADDRESS_LENGTH);
  let open = true;
  const drain = () => {
    for (let i = 0; open && i < DATAGRAMS_PER_WAKE; i++) {
      const length = receiveFrom(fd, buffer, MSG_DONTWAIT, sender);
      if (length === -ERRNO.EAGAIN) return;
      if (length < 0) continue; // interrupted, or told of an error on the way of what was sent, which is lost then
      const from = decodeSocketAddress(sender);
      if (from.port === port) onDatagram(buffer.slice(0, length), from.address);
    }
  };
  const stop = pollReadable(fd, drain);
  return {
    send: (bytes, to, maker) => {
      const address = encodeSocketAddress(to, port);
      if (maker === "interface") return sendTo(fd, bytes, 0, address) === bytes.length;
      // The kernel leaves a checksum to the interface only for what comes whole in one call (ip_append_data()). A checksum
      // of none at all (SO_NO_CHECK) would prove nothing, and IPv6 drops it; a raw socket would hear all other UDP too.
      return sendTo(fd, bytes, MSG_MORE, address) === bytes.length && send(fd, new Uint8Array()) === 0;
    },
    close: () => {
      if (!open) return;
      open = false;
      stop();
      close(fd);
    },
  };
}

/** @throws {IronbridgeError} IB_KERNEL_REFUSED */
function stayOnLink(fd: number, family: Family): void {
  const [level, option] = family === "ipv4" ? [IPPROTO_IP, IP_TTL] : [IPPROTO_IPV6, IPV6_UNICAST_HOPS];
  check(setsockopt(fd, level, option, NO_ROUTER), "set the TTL of a socket");
  setSocketFilter(fd, ttlFilter(family, [{ least: NO_ROUTER }], "dropped"));
}

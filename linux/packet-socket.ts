import { type BpfInstruction, encodeFilter } from "./bpf.ts";
import {
  AF_PACKET,
  attachFilter,
  bind,
  check,
  close,
  ERRNO,
  kernelError,
  MSG_DONTWAIT,
  PACKET_IGNORE_OUTGOING,
  pollReadable,
  recv,
  SO_RCVBUFFORCE,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_PACKET,
  SOL_SOCKET,
  send,
  setsockopt,
  socket,
} from "./libc.ts";
import { type Netns, runInOptionalNetns } from "./netns.ts";

export interface PacketSocketOptions {
  readonly ifindex: number;
  /** ETH_P_ARP 0x0806, ETH_P_IPV6 0x86dd. */
  readonly etherType: number;
  /** Runs in the kernel: frames it refuses never wake this process. */
  readonly filter: readonly BpfInstruction[];
  /** Where the interface is; the namespace of this thread when absent. */
  readonly netns?: Netns;
  /** A whole Ethernet frame; only frames that others sent. */
  readonly onFrame: (frame: Uint8Array) => void;
  /** The interface went away or down; the socket is closed by its owner. */
  readonly onError: (error: unknown) => void;
}

/** Ethernet frames of one interface. packet(7), SOCK_RAW. */
export interface PacketSocket {
  /** Sends a whole Ethernet frame. @throws {IronbridgeError} IB_KERNEL_REFUSED, for example when the link is down. */
  send(frame: Uint8Array): void;
  /** From now on this filter runs in the kernel. @throws {IronbridgeError} IB_KERNEL_REFUSED */
  setFilter(filter: readonly BpfInstruction[]): void;
  close(): void;
}

/** Frames handled before other work gets a turn; the rest wakes the thread again at once. */
const FRAMES_PER_WAKE = 64;

/** Octets: some thousand small frames, where the default drops a burst of 256. */
const RECEIVE_BUFFER = 1024 * 1024;

/** Longer than any frame a link here can carry: all sockets of a thread share it, one read at a time. */
const buffer = new Uint8Array(65_536 + 18);

/**
 * Works in the main thread and in worker threads, where it must be closed before the thread ends.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export function openPacketSocket(options: PacketSocketOptions): PacketSocket {
  const { ifindex, onFrame, onError } = options;
  const fd = openFilteredSocket(options);
  let open = true;

  const drain = () => {
    for (let i = 0; open && i < FRAMES_PER_WAKE; i++) {
      const length = recv(fd, buffer, MSG_DONTWAIT);
      if (length === -ERRNO.EAGAIN) return;
      if (length === -ERRNO.EINTR) continue;
      if (length < 0) return onError(kernelError(`receive on the interface of index ${ifindex}`, -length));
      onFrame(buffer.slice(0, length));
    }
  };
  const stopPolling = pollReadable(fd, drain);

  return {
    send: (frame) => void check(send(fd, frame), `send on the interface of index ${ifindex}`),
    setFilter: (filter) => {
      check(attachFilter(fd, encodeFilter(filter)), `filter on the interface of index ${ifindex}`);
    },
    close: () => {
      if (!open) return;
      open = false;
      stopPolling();
      close(fd);
    },
  };
}

/** Opened for no protocol and bound last, so that no frame comes in before the filter is there. */
function openFilteredSocket({ ifindex, etherType, filter, netns }: PacketSocketOptions): number {
  const what = `open a packet socket on the interface of index ${ifindex}`;
  const fd = runInOptionalNetns(netns, () => check(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), what));
  try {
    check(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1), what);
    check(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER), what);
    check(attachFilter(fd, encodeFilter(filter)), what);
    check(bind(fd, encodeLinkAddress(ifindex, etherType)), what);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** struct sockaddr_ll: family 16 bits, protocol 16 (network order), ifindex 32, then fields only recvfrom(2) fills. */
function encodeLinkAddress(ifindex: number, etherType: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(20));
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, etherType, false);
  view.setInt32(4, ifindex, true);
  return new Uint8Array(view.buffer);
}

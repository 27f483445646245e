import {
  AF_NETLINK,
  bind,
  check,
  close,
  ERRNO,
  kernelError,
  MSG_DONTWAIT,
  NETLINK_ADD_MEMBERSHIP,
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  pollReadable,
  recv,
  SO_RCVBUFFORCE,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  send,
  sendLater,
  setsockopt,
  socket,
} from "./libc.ts";
import {
  decodeAttributes,
  decodeMessages,
  encodeMessage,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  readText,
} from "./netlink-message.ts";
import { type Netns, runInOptionalNetns } from "./netns.ts";

/** A synchronous conversation with the kernel: it answers inside send(2), so nothing ever waits. */
export interface NetlinkSocket {
  /** Asks for a change or for one object. @throws {IronbridgeError} IB_KERNEL_REFUSED with the name of the error */
  request(request: NetlinkRequest): NetlinkMessage[];
  /** Asks for a few changes in a row with one call of the kernel. Gives what it refused. @throws {IronbridgeError} IB_KERNEL_REFUSED */
  requestAll(requests: readonly NetlinkRequest[]): readonly unknown[];
  /**
   * Asks for several changes in a row on the thread pool, where the kernel may take its time. Gives what it refused.
   * Nothing else may be asked on this socket meanwhile. @throws {IronbridgeError} IB_KERNEL_REFUSED
   */
  requestLater(requests: readonly NetlinkRequest[]): Promise<readonly unknown[]>;
  /** Asks for a list. @throws {IronbridgeError} IB_KERNEL_REFUSED */
  dump(request: NetlinkRequest): NetlinkMessage[];
  /**
   * Asks for a list too long to be held at once, and gives it as it comes, whether it changed meanwhile or not. Nothing
   * else may be asked on this socket before its end. @throws {IronbridgeError} IB_KERNEL_REFUSED
   */
  dumpParts(request: NetlinkRequest): Iterable<readonly NetlinkMessage[]>;
  close(): void;
}

/** The kernel never sends more than 32 KiB in one datagram of a dump. */
const buffer = new Uint8Array(64 * 1024);
/** Attribute of an acknowledgement with the kernel's own words: linux/netlink.h NLMSGERR_ATTR_MSG. */
const NLMSGERR_ATTR_MSG = 1;
const NLM_F_ACK_TLVS = 0x200;
/** Answers to more requests would not fit the buffer of a socket, which is 212 KiB where nobody changed it. */
const MOST_AT_ONCE = 64;
/** A list that changed while it was read is read again; under constant change the last reading is taken. */
const DUMP_ATTEMPTS = 4;

export function openNetlinkSocket(protocol: number, netns?: Netns): NetlinkSocket {
  const fd = openSocket(protocol, SOCK_RAW, netns);
  for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
    check(setsockopt(fd, SOL_NETLINK, option, 1), `set option ${option} of a netlink socket`);
  }
  let sequence = 0;

  const post = ({ what, type, flags = 0, payload }: NetlinkRequest): void => {
    sequence = (sequence + 1) >>> 0;
    check(send(fd, encodeMessage({ type, flags: flags | NLM_F_REQUEST, sequence, port: 0, payload })), what);
  };

  /** Adds what came to `answers`; true when the acknowledgement or the end of the list was the last of it. */
  const receiveInto = (answers: NetlinkMessage[], what: string): boolean => {
    let last: NetlinkMessage | undefined;
    for (const message of decodeMessages(receive(fd, what))) {
      if (message.sequence !== sequence) continue; // the rest of an exchange that failed half-way
      answers.push(message);
      last = message;
    }
    if (last?.type !== NLMSG_ERROR && last?.type !== NLMSG_DONE) return false;
    refuseFailure(last, what);
    return true;
  };

  const exchange = (request: NetlinkRequest): NetlinkMessage[] => {
    post(request);
    const answers: NetlinkMessage[] = [];
    while (!receiveInto(answers, request.what));
    return answers;
  };

  const exchangeParts = function* (request: NetlinkRequest): Iterable<NetlinkMessage[]> {
    post(request);
    for (let isLast = false; !isLast; ) {
      const answers: NetlinkMessage[] = [];
      isLast = receiveInto(answers, request.what);
      yield answers;
    }
  };

  const encodeAll = (requests: readonly NetlinkRequest[]): Uint8Array =>
    Buffer.concat(
      requests.map(({ type, flags = 0, payload }) => {
        sequence = (sequence + 1) >>> 0;
        return encodeMessage({ type, flags: flags | NLM_F_REQUEST | NLM_F_ACK, sequence, port: 0, payload });
      }),
    );

  /** The last of `requests` was the last that was encoded. Gives what the kernel refused. */
  const receiveAll = (requests: readonly NetlinkRequest[]): unknown[] => {
    const first = sequence - requests.length + 1;
    const refusals: unknown[] = [];
    for (let answered = 0; answered < requests.length; ) {
      for (const message of decodeMessages(receive(fd, requests[0]!.what))) {
        const request = requests[message.sequence - first];
        if (message.type !== NLMSG_ERROR || request === undefined) continue; // the rest of an exchange that failed half-way
        answered += 1;
        try {
          refuseFailure(message, request.what);
        } catch (error) {
          refusals.push(error);
        }
      }
    }
    return refusals;
  };

  const sendSome = async (requests: readonly NetlinkRequest[]) => {
    check(await sendLater(fd, encodeAll(requests)), requests[0]?.what ?? "");
    return receiveAll(requests);
  };
  const requestLater = async (requests: readonly NetlinkRequest[]) => {
    const refusals: unknown[] = [];
    for (let start = 0; start < requests.length; start += MOST_AT_ONCE) {
      refusals.push(...(await sendSome(requests.slice(start, start + MOST_AT_ONCE))));
    }
    return refusals;
  };

  return {
    requestAll: (requests) => {
      check(send(fd, encodeAll(requests)), requests[0]?.what ?? "");
      return receiveAll(requests);
    },
    requestLater,
    request: (request) => exchange({ ...request, flags: (request.flags ?? 0) | NLM_F_ACK }).slice(0, -1),
    dump: (request) => {
      for (let attempt = 1; ; attempt++) {
        const answers = exchange({ ...request, flags: (request.flags ?? 0) | NLM_F_DUMP });
        const interrupted = answers.some(({ flags }) => (flags & NLM_F_DUMP_INTR) !== 0);
        if (!interrupted || attempt === DUMP_ATTEMPTS) return answers.slice(0, -1);
      }
    },
    dumpParts: function* (request) {
      for (const part of exchangeParts({ ...request, flags: (request.flags ?? 0) | NLM_F_DUMP })) {
        yield part.filter(({ type }) => type !== NLMSG_DONE);
      }
    },
    close: () => close(fd),
  };
}

export interface NetlinkInboxOptions {
  readonly protocol: number;
  readonly groups: readonly number[];
  readonly netns?: Netns;
  /** Called with the descriptor before the groups are joined. */
  readonly prepare?: (fd: number) => void;
  /** Octets that the kernel keeps for this process at the most, its own bookkeeping not counted; absent: 4 MiB. */
  readonly room?: number;
}

/** What the kernel says to multicast groups, kept by it until it is read. */
export interface NetlinkInbox {
  readonly fd: number;
  /** What is waiting, at most `datagrams` of it; undefined when the kernel lost some because nobody read for too long. */
  read(datagrams: number): readonly NetlinkMessage[] | undefined;
  close(): void;
}

const ROOM = 4 * 1024 * 1024;

/** Joins multicast groups of the kernel. @throws {IronbridgeError} IB_KERNEL_REFUSED */
export function openNetlinkInbox({ protocol, groups, netns, prepare, room = ROOM }: NetlinkInboxOptions): NetlinkInbox {
  const fd = openSocket(protocol, SOCK_RAW | SOCK_NONBLOCK, netns);
  check(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, room), "set up a netlink socket");
  prepare?.(fd);
  for (const group of groups) {
    check(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group), `join netlink group ${group}`);
  }
  return {
    fd,
    read: (datagrams) => {
      const messages: NetlinkMessage[] = [];
      let lost = false;
      for (let i = 0; i < datagrams; i++) {
        const length = recv(fd, buffer, MSG_DONTWAIT);
        if (length === -ERRNO.EAGAIN) break;
        if (length === -ERRNO.ENOBUFS) lost = true;
        else if (length !== -ERRNO.EINTR) {
          check(length, "receive netlink events");
          if (!lost) messages.push(...decodeMessages(buffer.subarray(0, length))); // else it only makes room for what comes
        }
      }
      return lost ? undefined : messages;
    },
    close: () => close(fd),
  };
}

export interface NetlinkListenerOptions extends NetlinkInboxOptions {
  /**
   * Milliseconds in which what comes after a report is left to wait: who only wants to know that there was a change need
   * not be woken for each of a thousand. With a small `room` most of them are not even read. Absent: none.
   */
  readonly rest?: number;
  /** All messages that were waiting; undefined when the kernel lost some because this thread was too slow. */
  readonly onMessages: (messages: readonly NetlinkMessage[] | undefined) => void;
}

const DATAGRAMS_PER_WAKE = 256;

/** Listens to multicast groups of the kernel. @throws {IronbridgeError} IB_KERNEL_REFUSED */
export function listenNetlink(options: NetlinkListenerOptions): { close(): void } {
  const inbox = openNetlinkInbox(options);
  let open = true;
  let resting: NodeJS.Timeout | undefined;
  let stopPolling: () => void;
  const poll = () => {
    stopPolling = pollReadable(inbox.fd, read);
  };
  const read = () => {
    const messages = inbox.read(DATAGRAMS_PER_WAKE);
    if (options.rest !== undefined) {
      stopPolling();
      resting = setTimeout(poll, options.rest);
    }
    if (messages === undefined || messages.length > 0) options.onMessages(messages);
  };
  poll();
  return {
    close: () => {
      if (!open) return;
      open = false;
      clearTimeout(resting);
      stopPolling();
      inbox.close();
    },
  };
}

function openSocket(protocol: number, type: number, netns: Netns | undefined): number {
  const fd = runInOptionalNetns(netns, () => check(socket(AF_NETLINK, type, protocol), "open a netlink socket"));
  const address = new Uint8Array(12); // struct sockaddr_nl, all zero but the family: the kernel chooses the port
  address[0] = AF_NETLINK;
  check(bind(fd, address), "bind a netlink socket");
  return fd;
}

function receive(fd: number, what: string): Uint8Array {
  for (;;) {
    const length = recv(fd, buffer, 0);
    if (length !== -ERRNO.EINTR) return buffer.subarray(0, check(length, what));
  }
}

/** Payload of NLMSG_ERROR and NLMSG_DONE: -errno, then for errors the header of the request, then attributes. */
function refuseFailure(message: NetlinkMessage, what: string): void {
  const { payload, flags, type } = message;
  if (payload.length < 4) return;
  const errno = -new DataView(payload.buffer, payload.byteOffset, 4).getInt32(0, true);
  if (errno <= 0) return;
  const attributes =
    (flags & NLM_F_ACK_TLVS) !== 0 ? decodeAttributes(payload, type === NLMSG_ERROR ? 20 : 4) : undefined;
  throw kernelError(what, errno, readText(attributes?.get(NLMSGERR_ATTR_MSG)));
}

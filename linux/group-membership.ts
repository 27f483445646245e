import {
  AF_INET6,
  check,
  close,
  IPPROTO_IPV6,
  IPV6_ADD_MEMBERSHIP,
  IPV6_DROP_MEMBERSHIP,
  SOCK_DGRAM,
  setsockopt,
  socket,
} from "./libc.ts";
import { type Netns, runInOptionalNetns } from "./netns.ts";

/**
 * The IPv6 multicast groups that one interface listens to on behalf of this process. The kernel reports them by MLD, so
 * that switches that snoop pass them on, and lets their frames through the interface's own filter.
 */
export interface GroupMembership {
  /** Exactly these groups, 16 octets each, from now on. @throws {IronbridgeError} IB_KERNEL_REFUSED */
  set(groups: readonly Uint8Array[]): void;
  close(): void;
}

/** One socket can't remember more groups than fit into its option memory (net.core.optmem_max). */
const GROUPS_PER_SOCKET = 64;

export function openGroupMembership(ifindex: number, netns?: Netns): GroupMembership {
  /** How many groups each socket has. */
  const sockets = new Map<number, number>();
  const joined = new Map<string, { readonly group: Uint8Array; readonly fd: number }>();

  const change = (fd: number, option: number, group: Uint8Array) => {
    const request = new Uint8Array(20); // struct ipv6_mreq: group, interface index
    request.set(group);
    new DataView(request.buffer).setInt32(16, ifindex, true);
    const what = `change the groups of the interface of index ${ifindex}`;
    check(setsockopt(fd, IPPROTO_IPV6, option, request), what);
  };
  const roomy = (): number => {
    for (const [fd, count] of sockets) if (count < GROUPS_PER_SOCKET) return fd;
    const what = `open a socket for the groups of the interface of index ${ifindex}`;
    return runInOptionalNetns(netns, () => check(socket(AF_INET6, SOCK_DGRAM, 0), what));
  };
  const count = (fd: number, by: number) => sockets.set(fd, (sockets.get(fd) ?? 0) + by);

  return {
    set: (groups) => {
      const wanted = new Map(groups.map((group) => [Buffer.from(group).toString("hex"), group]));
      for (const [key, { group, fd }] of joined) {
        if (wanted.has(key)) continue;
        change(fd, IPV6_DROP_MEMBERSHIP, group);
        count(fd, -1);
        joined.delete(key);
      }
      for (const [key, group] of wanted) {
        if (joined.has(key)) continue;
        const fd = roomy();
        count(fd, 0);
        change(fd, IPV6_ADD_MEMBERSHIP, group);
        count(fd, 1);
        joined.set(key, { group, fd });
      }
    },
    close: () => {
      for (const fd of sockets.keys()) close(fd);
      sockets.clear();
      joined.clear();
    },
  };
}

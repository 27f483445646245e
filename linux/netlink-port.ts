import { AF_NETLINK, getsockname, getsockopt, SO_PROTOCOL, SOL_SOCKET } from "./libc.ts";

/**
 * The port the netlink socket `fd` of `protocol` is bound to; undefined for any other file.
 * linux/netlink.h struct sockaddr_nl: family 16 bits, padding 16, port 32, groups 32.
 */
export function netlinkPort(fd: number, protocol: number): number | undefined {
  const address = new DataView(new ArrayBuffer(12));
  if (getsockname(fd, new Uint8Array(address.buffer)) < 0) return undefined;
  if (address.getUint16(0, true) !== AF_NETLINK || getsockopt(fd, SOL_SOCKET, SO_PROTOCOL) !== protocol)
    return undefined;
  return address.getUint32(4, true);
}

import type { Family } from "../net/mod.ts";
import {
  AF_INET,
  AF_INET6,
  check,
  close,
  getsockoptStruct,
  IPPROTO_IPV6,
  IPPROTO_RAW,
  SOCK_RAW,
  socket,
} from "./libc.ts";

/** IPPROTO_IP, the level of IPv4's socket options. */
const SOL_IP = 0;
/** IPT_SO_GET_INFO and IP6T_SO_GET_INFO of linux/netfilter_ipv4/ip_tables.h and its IPv6 twin. */
const SO_GET_INFO = 64;
/** struct ipt_getinfo: name 32 octets, valid hooks, 5 entry points, 5 underflows, number and size of entries; u32 each. */
const INFO_LENGTH = 32 + 4 * (1 + 5 + 5 + 2);

/**
 * Number and size of the rules of a legacy table of this namespace, with where its builtin chains begin.
 * Makes the kernel create the table when there is none.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export function legacyStamp(family: Family, table: string): string {
  const [domain, level] = family === "ipv4" ? [AF_INET, SOL_IP] : [AF_INET6, IPPROTO_IPV6];
  const fd = check(socket(domain, SOCK_RAW, IPPROTO_RAW), "open a raw socket");
  try {
    const info = new Uint8Array(INFO_LENGTH);
    new TextEncoder().encodeInto(table, info);
    check(getsockoptStruct(fd, level, SO_GET_INFO, info), `read the size of the ${family} table ${table}`);
    return Buffer.from(info.subarray(32)).toString("hex");
  } finally {
    close(fd);
  }
}

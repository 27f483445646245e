import { AF_INET, addressOf, check, close, ioctl, SOCK_DGRAM, socket } from "./libc.ts";

/** linux/sockios.h, linux/ethtool.h. */
const SIOCETHTOOL = 0x8946;
const ETHTOOL_GTXCSUM = 0x16;
const ETHTOOL_STXCSUM = 0x17;
/** linux/if.h: octets of a name with its zero. */
const IFNAMSIZ = 16;

/**
 * Whether the checksums of what leaves by an interface of this namespace are left to it: `tx-checksumming` of ethtool(8),
 * for a tunnel `tx-checksum-ip-generic`.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED for example ENODEV
 */
export function readTxChecksum(name: string): boolean {
  return exchange(`read the checksum offload of ${name}`, name, ETHTOOL_GTXCSUM) !== 0;
}

/**
 * From now on the kernel makes these checksums itself. Segmentation offload, which needs them, goes with it.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export function disableTxChecksum(name: string): void {
  exchange(`switch off the checksum offload of ${name}`, name, ETHTOOL_STXCSUM);
}

/** One command with a number, struct ethtool_value, zero when asked. struct ifreq: the name, a pointer, padding to 40 octets. */
function exchange(what: string, name: string, command: number): number {
  const value = Uint32Array.of(command, 0);
  const request = new DataView(new ArrayBuffer(40));
  new Uint8Array(request.buffer).set(new TextEncoder().encode(name).subarray(0, IFNAMSIZ - 1));
  request.setBigUint64(IFNAMSIZ, addressOf(new Uint8Array(value.buffer)), true);
  const fd = check(socket(AF_INET, SOCK_DGRAM, 0), what);
  try {
    check(ioctl(fd, SIOCETHTOOL, new Uint8Array(request.buffer)), what);
    return value[1]!;
  } finally {
    close(fd);
  }
}

import { type BpfInstruction, encodeFilter, FILTER_ACCEPT, FILTER_CODE, FILTER_DROP, hostHalf } from "./bpf.ts";
import { attachFilter, check } from "./libc.ts";
import { NETLINK_NETFILTER } from "./netlink-message.ts";
import { listenNetlink } from "./netlink-socket.ts";
import type { Netns } from "./netns.ts";
import { isOwnPort } from "./nft-origin.ts";
import { NFNLGRP_NFTABLES, NFT_MSG } from "./nft-wire.ts";

/**
 * Only ends of transactions, each a datagram of its own, so that a transaction of 100,000 elements is one event and
 * not 100,000. The type is the 16 bits at octet 4.
 */
const NEW_GENERATION_ONLY: readonly BpfInstruction[] = [
  { code: FILTER_CODE.LOAD_HALF, jt: 0, jf: 0, k: 4 },
  { code: FILTER_CODE.JUMP_EQUAL, jt: 0, jf: 1, k: hostHalf(NFT_MSG.NEWGEN) },
  FILTER_ACCEPT,
  FILTER_DROP,
];

/**
 * Calls `onChange` when anybody but this process and the programs it starts changed nftables in this namespace (an
 * iptables-nft program too), once for a burst. Lost notices (ENOBUFS) count as a change.
 */
export function watchNft(onChange: () => void, netns?: Netns): { close(): void } {
  return listenNetlink({
    protocol: NETLINK_NETFILTER,
    groups: [NFNLGRP_NFTABLES],
    ...(netns && { netns }),
    prepare: (fd) => void check(attachFilter(fd, encodeFilter(NEW_GENERATION_ONLY)), "filter nftables notices"),
    onMessages: (messages) => {
      if (messages === undefined || messages.some(({ port }) => !isOwnPort(port))) onChange();
    },
  });
}

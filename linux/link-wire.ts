/** What requests about links and reports of them have in common. linux/rtnetlink.h, linux/if_link.h. */
export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  OPERSTATE: 16,
  LINKINFO: 18,
  AF_SPEC: 26,
  GROUP: 27,
  NET_NS_FD: 28,
  EXT_MASK: 29,
  NUM_TX_QUEUES: 31,
  NUM_RX_QUEUES: 32,
  LINK_NETNSID: 37,
} as const;
/** Of IFLA.LINKINFO. */
export const INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4, SLAVE_DATA: 5 } as const;
/** Of INFO.DATA of a VXLAN. */
export const VXLAN = { ID: 1, LINK: 3, LOCAL: 4, LEARNING: 7, PORT: 15, LOCAL6: 17 } as const;

/** family 1, padding 1, type 2, index 4, flags 4, change 4. */
export const LINK_HEADER_LENGTH = 16;

/** linux/rtnetlink.h struct ifinfomsg, for any family. */
export function encodeLinkHeader({
  index = 0,
  flags = 0,
  change = 0,
}: {
  index?: number;
  flags?: number;
  change?: number;
}) {
  const view = new DataView(new ArrayBuffer(LINK_HEADER_LENGTH));
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, change, true);
  return new Uint8Array(view.buffer);
}

/** What requests about queueing disciplines and filters have in common. linux/rtnetlink.h, linux/pkt_sched.h. */
export const RTM_NEWQDISC = 36;
export const RTM_NEWTFILTER = 44;
export const TCA = { KIND: 1, OPTIONS: 2 } as const;
/** Where a link has what is done to packets that come in. */
export const INGRESS = { handle: 0xffff_0000, parent: 0xffff_fff1 } as const;

/** family 1, padding 3, index 4, handle 4, parent 4, info 4. */
export const TC_HEADER_LENGTH = 20;
const ETH_P_ALL = 3;

export interface TcHeader {
  readonly ifindex: number;
  readonly handle?: number;
  readonly parent?: number;
  /** Of a filter for packets of every protocol: lower ones get their turn first. */
  readonly priority?: number;
}

/** linux/rtnetlink.h struct tcmsg; the info of a filter is its priority, and the protocol in network order. */
export function encodeTcHeader({ ifindex, handle = 0, parent = 0, priority }: TcHeader): Uint8Array {
  const view = new DataView(new ArrayBuffer(TC_HEADER_LENGTH));
  view.setInt32(4, ifindex, true);
  view.setUint32(8, handle, true);
  view.setUint32(12, parent, true);
  if (priority !== undefined) {
    view.setUint16(16, ETH_P_ALL);
    view.setUint16(18, priority, true);
  }
  return new Uint8Array(view.buffer);
}

export function decodeTcHeader(payload: Uint8Array): Required<TcHeader> {
  const view = new DataView(payload.buffer, payload.byteOffset);
  return {
    ifindex: view.getInt32(4, true),
    handle: view.getUint32(8, true),
    parent: view.getUint32(12, true),
    priority: view.getUint16(18, true),
  };
}

/** One classic BPF instruction. linux/filter.h struct sock_filter. */
export interface BpfInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** linux/bpf_common.h: load from a fixed place (in network order), jump by what was loaded, return how much of it passes. */
export const FILTER_CODE = {
  LOAD_BYTE: 0x30,
  LOAD_HALF: 0x28,
  LOAD_WORD: 0x20,
  JUMP_EQUAL: 0x15,
  JUMP_GREATER: 0x25,
  JUMP_AT_LEAST: 0x35,
  RETURN: 0x06,
} as const;

/** The ends of a filter: all of the packet passes, or nothing. */
export const FILTER_ACCEPT: BpfInstruction = { code: FILTER_CODE.RETURN, jt: 0, jf: 0, k: 0xffff_ffff };
export const FILTER_DROP: BpfInstruction = { code: FILTER_CODE.RETURN, jt: 0, jf: 0, k: 0 };

/** 16 bits as netlink writes them, in this machine's order, as LOAD_HALF reads them. */
export function hostHalf(value: number): number {
  return new DataView(Uint16Array.of(value).buffer).getUint16(0);
}

/** 32 bits as netlink writes them, in this machine's order, as LOAD_WORD reads them. */
export function hostWord(value: number): number {
  return new DataView(Uint32Array.of(value).buffer).getUint32(0);
}

/** An array of struct sock_filter: code 16 bits, jt 8, jf 8, k 32, host order. */
export function encodeFilter(filter: readonly BpfInstruction[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(filter.length * 8));
  filter.forEach(({ code, jt, jf, k }, i) => {
    view.setUint16(i * 8, code, true);
    view.setUint8(i * 8 + 2, jt);
    view.setUint8(i * 8 + 3, jf);
    view.setUint32(i * 8 + 4, k, true);
  });
  return new Uint8Array(view.buffer);
}

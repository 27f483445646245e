/** One classic BPF instruction. linux/filter.h struct sock_filter. */
export interface BpfInstruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export interface PacketSocketOptions {
  readonly ifindex: number;
  /** ETH_P_ARP 0x0806, ETH_P_IPV6 0x86dd. */
  readonly etherType: number;
  /** Runs in the kernel: frames it refuses never wake this process. */
  readonly filter: readonly BpfInstruction[];
  /** A whole Ethernet frame; only frames that others sent. */
  readonly onFrame: (frame: Uint8Array) => void;
  /** The interface went away or down; the socket is closed by its owner. */
  readonly onError: (error: unknown) => void;
}

/** Ethernet frames of one interface. packet(7), SOCK_RAW. */
export interface PacketSocket {
  /** Sends a whole Ethernet frame. @throws {IronbridgeError} IB_KERNEL_REFUSED, for example when the link is down. */
  send(frame: Uint8Array): void;
  close(): void;
}

/** Works in the main thread and in worker threads. */
export declare function openPacketSocket(options: PacketSocketOptions): PacketSocket;

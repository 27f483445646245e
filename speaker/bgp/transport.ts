import { Socket } from "node:net";
import { localEndOf } from "../../linux/mod.ts";
import type { Address } from "../../net/mod.ts";

/** A TCP connection with a peer. */
export interface Transport {
  /** Our address. */
  readonly local: Address;
  /** Octets that were sent and that the kernel has not taken yet. */
  readonly backlog: number;
  send(bytes: Uint8Array): void;
  /** What was sent before is delivered if the peer takes it soon; nothing is heard any more. */
  close(): void;
}

export interface TransportEvents {
  onData(bytes: Uint8Array): void;
  /** The kernel took what was sent. */
  onDrain(): void;
  onClosed(why: string): void;
}

/** Milliseconds a peer has to take the last words of a connection. */
const LINGER = 1000;

/** The connection `fd`, which belongs to it from now on. Its events come later, never from within this call. */
export function openTransport(fd: number, events: TransportEvents): Transport {
  const { address } = localEndOf(fd);
  const socket = new Socket({ fd, readable: true, writable: true });
  let why = "the peer hung up";
  let open = true;
  const ended = () => {
    if (!open) return;
    open = false;
    socket.destroy();
    events.onClosed(why);
  };
  socket.on("data", (bytes: Buffer) => open && events.onData(bytes));
  socket.on("drain", () => open && events.onDrain());
  socket.on("error", (error) => {
    why = error.message;
  });
  socket.on("end", ended);
  socket.on("close", ended);
  return {
    local: address,
    get backlog() {
      return socket.writableLength;
    },
    send: (bytes) => void socket.write(bytes),
    close: () => {
      if (!open) return;
      open = false;
      socket.end(() => socket.destroy());
      setTimeout(() => socket.destroy(), LINGER).unref();
    },
  };
}

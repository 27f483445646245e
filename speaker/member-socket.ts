import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";

export interface MemberSocketOptions {
  readonly port: number;
  /** @param from The address it came from. */
  readonly onDatagram: (datagram: Uint8Array, from: string) => void;
  /** The kernel of this member's node answered that nobody listens there. */
  readonly onRefused: (name: string) => void;
  readonly onProblem: (name: string, reason: string) => void;
}

/** Datagrams between members. A datagram that can't be sent now is lost, as any may be. */
export interface MemberSocket {
  /** Resolves once datagrams can come in. Rejects when the port is taken. */
  readonly listening: Promise<void>;
  setPeers(peers: readonly { readonly name: string; readonly address: string }[]): void;
  send(name: string, datagram: Uint8Array): void;
  close(): void;
}

interface Line {
  readonly address: string;
  readonly socket: Socket;
  open: boolean;
}

/** What the kernel answers when it was told to speak one family only. */
const NO_FAMILY: ReadonlySet<string> = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"]);

/**
 * One socket for each family hears everybody; each member is sent to through a connected socket of its own, because only a connected one
 * is told when the other side refuses (udp(7): ECONNREFUSED for ICMP port unreachable).
 */
export function openMemberSocket({ port, onDatagram, onRefused, onProblem }: MemberSocketOptions): MemberSocket {
  const lines = new Map<string, Line>();
  const ears = [createSocket("udp4"), createSocket({ type: "udp6", ipv6Only: true })];
  const listen = (ear: Socket) =>
    new Promise<void>((resolve, reject) => {
      ear.once("error", (error: NodeJS.ErrnoException) => {
        if (error.code !== undefined && NO_FAMILY.has(error.code)) resolve();
        else reject(error);
      });
      ear.on("message", (datagram, { address }) => onDatagram(datagram, address));
      ear.bind(port, () => {
        ear.removeAllListeners("error");
        ear.on("error", (error) => onProblem("any", error.message));
        resolve();
      });
    });
  const listening = Promise.all(ears.map(listen)).then(() => {});

  const hangUp = (name: string) => {
    const line = lines.get(name);
    if (line === undefined) return;
    lines.delete(name);
    line.socket.close();
  };

  const dial = (name: string, address: string) => {
    const line: Line = { address, socket: createSocket(isIPv6(address) ? "udp6" : "udp4"), open: false };
    lines.set(name, line);
    line.socket.on("connect", () => {
      line.open = true;
    });
    line.socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED") return onRefused(name);
      onProblem(name, error.message);
      if (line.open || lines.get(name) !== line) return;
      hangUp(name); // no route when it was dialled: the next datagram dials again
      redial.set(name, address);
    });
    line.socket.connect(port, address);
  };
  const redial = new Map<string, string>();

  return {
    listening,
    setPeers: (peers) => {
      const wanted = new Map(peers.map(({ name, address }) => [name, address]));
      redial.clear();
      for (const [name, line] of lines) if (wanted.get(name) !== line.address) hangUp(name);
      for (const [name, address] of wanted) if (!lines.has(name)) dial(name, address);
    },
    send: (name, datagram) => {
      const line = lines.get(name);
      if (line?.open) line.socket.send(datagram);
      const address = redial.get(name);
      if (line !== undefined || address === undefined) return;
      redial.delete(name);
      dial(name, address);
    },
    close: () => {
      for (const name of lines.keys()) hangUp(name);
      for (const ear of ears) ear.close();
    },
  };
}

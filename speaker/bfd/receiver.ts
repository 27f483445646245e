import { createSocket, type Socket } from "node:dgram";
import { explainError, hasCode } from "../../core/mod.ts";
import { createUdpSocket, setSocketFilter, ttlFilter } from "../../linux/mod.ts";
import { type Address, BFD_PORT, type BfdPacket, decodeBfd, type Family, parseAddress } from "../../net/mod.ts";
import type { BfdPeer } from "./table.ts";

export interface BfdReceiverPorts {
  readonly onPacket: (packet: BfdPacket, from: Address, device: string, multiHop: boolean) => void;
  /** An echo packet was sent back. */
  readonly onEcho: (from: Address, device: string) => void;
  readonly onProblem: (port: number, reason: string) => void;
}

/** Hears the control and echo packets of the peers it is told of. */
export interface BfdReceiver {
  setPeers(peers: readonly BfdPeer[]): void;
  close(): void;
}

type Kind = keyof typeof BFD_PORT;
const KINDS = Object.keys(BFD_PORT) as readonly Kind[];
const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];
/** Sent by a neighbour on this very link: RFC 5881 section 5. */
const ONE_HOP = 255;

export function openBfdReceiver({ onPacket, onEcho, onProblem }: BfdReceiverPorts): BfdReceiver {
  const sockets = new Map<string, { readonly socket: Socket; readonly fd: number }>();

  const open = (family: Family, kind: Kind) => {
    const port = BFD_PORT[kind];
    let fd: number;
    try {
      fd = createUdpSocket(family === "ipv4" ? "0.0.0.0" : "::", port);
    } catch (error) {
      if (!hasCode(error, "IB_KERNEL_REFUSED")) throw error;
      onProblem(port, explainError(error));
      return undefined;
    }
    const socket = createSocket({ type: family === "ipv4" ? "udp4" : "udp6" });
    socket.on("error", (error) => onProblem(port, explainError(error)));
    socket.on("message", (bytes, { address: text, port: from }) => {
      const [address = "", device = ""] = text.split("%");
      if (kind === "echo") {
        // An echo packet goes back to where it came from as it is; one hop less keeps it from going round for ever.
        socket.setTTL(ONE_HOP - 1);
        socket.send(bytes, from, text);
        onEcho(parseAddress(address), device);
        return;
      }
      const packet = read(bytes);
      if (packet !== undefined) onPacket(packet, parseAddress(address), device, kind === "multiHop");
    });
    socket.bind({ fd });
    return { socket, fd };
  };

  return {
    setPeers: (peers) => {
      for (const family of FAMILIES) {
        for (const kind of KINDS) {
          const key = `${family} ${kind}`;
          const rules = peers
            .filter(({ multiHopTtl }) => (multiHopTtl !== undefined) === (kind === "multiHop"))
            .filter(({ times }) => kind !== "echo" || times.echoInterval > 0)
            .map(({ remote, multiHopTtl = ONE_HOP }) => ({ from: remote, least: multiHopTtl }))
            .filter(({ from }) => from.family === family);
          const present = sockets.get(key);
          if (rules.length === 0) {
            present?.socket.close();
            sockets.delete(key);
            continue;
          }
          const socket = present ?? open(family, kind);
          if (socket === undefined) continue;
          sockets.set(key, socket);
          setSocketFilter(socket.fd, ttlFilter(family, rules, "dropped"));
        }
      }
    },
    close: () => {
      for (const { socket } of sockets.values()) socket.close();
      sockets.clear();
    },
  };
}

/** Undefined for what is no packet: anybody on the link can send anything. */
function read(bytes: Uint8Array): BfdPacket | undefined {
  try {
    return decodeBfd(bytes);
  } catch (error) {
    if (hasCode(error, "IB_WIRE_TRUNCATED")) return undefined;
    throw error;
  }
}

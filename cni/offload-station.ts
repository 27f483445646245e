import { type LinkDatagrams, openLinkDatagrams } from "../linux/mod.ts";
import { type Address, type Family, printAddress, TUNNEL_NAME } from "../net/mod.ts";
import { decodeOffloadMessage, encodeOffloadMessage } from "./offload-message.ts";
import type { OffloadProbe, Question } from "./offload-probe.ts";

/** UDP port of questions and answers, inside the tunnel. */
const PORT = 7477;

/** Where a station is: the tunnel device, and this node's addresses on it. */
export interface StationPlace {
  readonly ifindex: number;
  readonly ends: readonly Address[];
}

/** This node's ends of the tunnel: they ask the other ends that a probe knows, and answer them and nobody else. */
export interface OffloadStation {
  /** As printPlace() has it: at another place, another station is to be opened. */
  readonly place: string;
  ask(questions: readonly Question[]): void;
  close(): void;
}

export function printPlace({ ifindex, ends }: StationPlace): string {
  return [ifindex, ...ends.map(printAddress)].join(" ");
}

/**
 * @param onHeard Another end has asked, so that it is there.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED for example when the port is taken
 */
export function openOffloadStation(
  place: StationPlace,
  probe: OffloadProbe,
  onHeard: (from: Address) => void,
): OffloadStation {
  const sockets = new Map<Family, LinkDatagrams>();
  const onDatagram = (bytes: Uint8Array, from: Address) => {
    const message = decodeOffloadMessage(bytes);
    if (message === undefined || !probe.knows(from)) return;
    const { kind, nonce } = message;
    if (kind === "answer") return probe.answered(from, nonce);
    // Plain, so that it arrives whatever this node's own offload does.
    sockets.get(from.family)?.send(encodeOffloadMessage({ kind: "answer", nonce }), from, "kernel");
    onHeard(from);
  };
  const close = () => {
    for (const socket of sockets.values()) socket.close();
  };
  try {
    for (const local of place.ends) {
      sockets.set(local.family, openLinkDatagrams({ device: TUNNEL_NAME, local, port: PORT, onDatagram }));
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    place: printPlace(place),
    ask: (questions) => {
      for (const { end, nonce, maker } of questions) {
        sockets.get(end.family)?.send(encodeOffloadMessage({ kind: "question", nonce }), end, maker);
      }
    },
    close,
  };
}

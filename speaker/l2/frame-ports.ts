import { explainError } from "../../core/mod.ts";
import { type BpfInstruction, FILTER_DROP, openPacketSocket, type PacketSocket } from "../../linux/mod.ts";
import { encodeEthernet, printMac } from "../../net/mod.ts";
import type { HostLink } from "./interfaces.ts";
import type { OnProblem } from "./responder.ts";

export interface FramePortsOptions {
  readonly etherType: number;
  readonly onFrame: (link: HostLink, frame: Uint8Array) => void;
  readonly onProblem: OnProblem;
}

/** Frames of one type on all interfaces in use. */
export interface FramePorts {
  /** Opens and closes sockets so that exactly `links` are served. */
  setLinks(links: readonly HostLink[]): void;
  /** What the kernel lets through from now on. */
  setFilter(filter: readonly BpfInstruction[]): void;
  links(): readonly HostLink[];
  /** One that can't be sent is lost, as any may be. */
  send(ifindex: number, destination: Uint8Array, payload: Uint8Array): void;
  close(): void;
}

interface Port {
  link: HostLink;
  readonly socket: PacketSocket;
}

/** Milliseconds until an interface whose socket failed is tried again. */
const RETRY = 100;

export function openFramePorts({ etherType, onFrame, onProblem }: FramePortsOptions): FramePorts {
  const ports = new Map<number, Port>();
  let wanted: readonly HostLink[] = [];
  let retry: NodeJS.Timeout | undefined;
  let filter: readonly BpfInstruction[] = [FILTER_DROP]; // until it is told what

  const closePort = (ifindex: number) => {
    ports.get(ifindex)?.socket.close();
    ports.delete(ifindex);
  };

  const open = (link: HostLink) => {
    const onError = (error: unknown) => {
      const fields = { interface: link.name, etherType, reason: explainError(error) };
      onProblem("l2.socket", fields, "the socket of an interface failed");
      closePort(link.index);
      // A link that goes down and up again fails its socket, and by the time that is read it may be up as it was before.
      retry ??= setTimeout(openAll, RETRY);
    };
    try {
      const onPortFrame = (frame: Uint8Array) => onFrame(ports.get(link.index)?.link ?? link, frame);
      const socket = openPacketSocket({ ifindex: link.index, etherType, filter, onFrame: onPortFrame, onError });
      ports.set(link.index, { link, socket });
    } catch (error) {
      onError(error);
    }
  };

  const openAll = () => {
    clearTimeout(retry);
    retry = undefined;
    for (const link of wanted) if (!ports.has(link.index)) open(link);
  };

  return {
    setLinks: (links) => {
      wanted = links;
      const byIndex = new Map(links.map((link) => [link.index, link]));
      for (const [index, port] of ports) {
        const link = byIndex.get(index);
        if (link === undefined || !sameLink(link, port.link)) closePort(index);
        else port.link = link;
      }
      openAll();
    },
    setFilter: (next) => {
      filter = next;
      for (const { socket } of ports.values()) socket.setFilter(filter);
    },
    links: () => [...ports.values()].map(({ link }) => link),
    send: (ifindex, destination, payload) => {
      const port = ports.get(ifindex);
      if (port === undefined) return;
      try {
        port.socket.send(encodeEthernet({ destination, source: port.link.mac, etherType, payload }));
      } catch (error) {
        // A link that just went down: the kernel's notice of it follows and closes the port.
        onProblem("l2.send", { interface: port.link.name, reason: explainError(error) }, "could not send a frame");
      }
    },
    close: () => {
      clearTimeout(retry);
      wanted = [];
      for (const ifindex of ports.keys()) closePort(ifindex);
    },
  };
}

/** True when a socket opened for `b` serves `a` as it is now. */
function sameLink(a: HostLink, b: HostLink): boolean {
  return a.name === b.name && printMac(a.mac) === printMac(b.mac);
}

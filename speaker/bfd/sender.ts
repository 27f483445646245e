import { explainError, hasCode } from "../../core/mod.ts";
import { type Link, openUdpSender, type UdpSender } from "../../linux/mod.ts";
import { BFD_PORT, BFD_SOURCE_PORTS, encodeBfd } from "../../net/mod.ts";
import type { BfdPeer, BfdSender, BfdTablePorts } from "./table.ts";

/** RFC 5881 section 5; more hops than one change nothing for the sender. */
const TTL = 255;
/** CS6, network control: RFC 4594 section 3.1. */
const NETWORK_CONTROL = 0xc0;

/** Sends the packets of one session. The socket is made at the first packet that the kernel has a way for. */
export function openBfdSender(peer: BfdPeer, links: readonly Link[], onLog: BfdTablePorts["onLog"]): BfdSender {
  let sender: UdpSender | undefined;
  let complaint = "";
  const open = () => {
    const link = links.find(({ name }) => name === peer.device);
    const port = peer.multiHopTtl === undefined ? BFD_PORT.control : BFD_PORT.multiHop;
    const { remote, local } = peer;
    return openUdpSender({
      remote,
      port,
      ...(local && { local }),
      ...(link && { device: link }),
      sourcePorts: sourcePorts(),
      ttl: TTL,
      trafficClass: NETWORK_CONTROL,
    });
  };
  return {
    send: (packet) => {
      try {
        sender ??= open();
        complaint = "";
        sender.send(encodeBfd(packet));
      } catch (error) {
        if (!hasCode(error, "IB_KERNEL_REFUSED")) throw error;
        const reason = explainError(error);
        if (reason !== complaint) onLog("warn", "bfd.send", { peer: peer.name, reason }, "could not send a BFD packet");
        complaint = reason;
      }
    },
    close: () => sender?.close(),
  };
}

/** All of them, from a random one on: each session of a node has its own. */
function* sourcePorts(): Iterable<number> {
  const { first, last } = BFD_SOURCE_PORTS;
  const count = last - first + 1;
  const start = Math.floor(Math.random() * count);
  for (let i = 0; i < count; i++) yield first + ((start + i) % count);
}

import { explainError } from "../../core/mod.ts";
import { type Link, openPacketSocket, type PacketSocket } from "../../linux/mod.ts";
import {
  ArpOperation,
  type ArpPacket,
  addressFromBytes,
  addressToBytes,
  arpReply,
  BROADCAST_MAC,
  EtherType,
  encodeArp,
  encodeEthernet,
  gratuitousArp,
  parseAddress,
  printAddress,
  printMac,
} from "../../net/mod.ts";
import { ARP_REQUESTS_ONLY, readArpRequest } from "./arp-filter.ts";
import { type Answer, answersOn, type Counts, type Responder, type ResponderOptions } from "./responder.ts";

interface Port {
  readonly link: Link;
  readonly socket: PacketSocket;
}

/** Answers ARP requests for IPv4 addresses. RFC 826, RFC 5227. */
export function openArpResponder(options: ResponderOptions): Responder {
  const ports = new Map<number, Port>();
  let answers: ReadonlyMap<string, Answer> = new Map();
  let counts = new Map<string, Counts>();

  const count = (address: string, what: keyof Counts) => {
    const entry = counts.get(address) ?? { requests: 0, responses: 0, gratuitous: 0 };
    entry[what]++;
    counts.set(address, entry);
  };

  const answer = (link: Link, frame: Uint8Array) => {
    const asked = readArpRequest(frame, link.mac);
    if (asked === undefined) return;
    const address = printAddress(addressFromBytes(asked.targetIp));
    const how = answers.get(address);
    if (how === undefined || !answersOn(how, link.name) || !options.mayAnswer()) return;
    count(address, "requests");
    const mac = how.inNameOf === undefined ? link.mac : options.macOf(how.inNameOf, link.index);
    if (mac === undefined) return;
    send(link.index, arpReply(asked, mac), asked.senderMac);
    count(address, "responses");
  };

  const send = (ifindex: number, packet: ArpPacket, destination: Uint8Array) => {
    const port = ports.get(ifindex);
    if (port === undefined) return;
    const payload = encodeArp(packet);
    try {
      port.socket.send(encodeEthernet({ destination, source: port.link.mac, etherType: EtherType.Arp, payload }));
    } catch (error) {
      // A link that just went down: the kernel's notice of it follows and closes the port.
      options.onProblem("arp.send", { interface: port.link.name, reason: explainError(error) }, "could not send ARP");
    }
  };

  const closePort = (ifindex: number) => {
    ports.get(ifindex)?.socket.close();
    ports.delete(ifindex);
  };

  const openPort = (link: Link) => {
    const onProblem = (error: unknown) => {
      options.onProblem("arp.socket", { interface: link.name, reason: explainError(error) }, "ARP socket failed");
      closePort(link.index); // the next look at the interfaces opens it again
    };
    try {
      const socket = openPacketSocket({
        ifindex: link.index,
        etherType: EtherType.Arp,
        filter: ARP_REQUESTS_ONLY,
        onFrame: (frame) => answer(link, frame),
        onError: onProblem,
      });
      ports.set(link.index, { link, socket });
    } catch (error) {
      onProblem(error);
    }
  };

  return {
    setLinks: (links) => {
      const wanted = new Map(links.map((link) => [link.index, link]));
      for (const [index, port] of ports) {
        if (!sameLink(wanted.get(index), port.link)) closePort(index);
      }
      for (const link of links) if (!ports.has(link.index)) openPort(link);
    },
    setAnswers: (next) => {
      answers = next;
    },
    announce: (address) => {
      const how = answers.get(address);
      if (how === undefined || how.inNameOf !== undefined) return;
      const ip = addressToBytes(parseAddress(address));
      for (const { link } of ports.values()) {
        if (!answersOn(how, link.name)) continue;
        for (const operation of [ArpOperation.Request, ArpOperation.Reply]) {
          send(link.index, gratuitousArp(operation, ip, link.mac), BROADCAST_MAC);
          count(address, "gratuitous");
        }
      }
    },
    takeCounts: () => {
      const taken = counts;
      counts = new Map();
      return taken;
    },
    close: () => {
      for (const ifindex of ports.keys()) closePort(ifindex);
    },
  };
}

/** True when a socket opened for `b` serves `a` as it is now. */
function sameLink(a: Link | undefined, b: Link): boolean {
  return a !== undefined && a.name === b.name && printMac(a.mac) === printMac(b.mac);
}

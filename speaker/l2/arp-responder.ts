import {
  ARP_LENGTH,
  ArpOperation,
  type ArpPacket,
  addressFromBytes,
  addressToBytes,
  arpReply,
  BROADCAST_MAC,
  decodeArp,
  decodeEthernet,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  encodeArp,
  gratuitousArp,
  parseAddress,
  printAddress,
  printMac,
} from "../../net/mod.ts";
import { arpFilter } from "./frame-filter.ts";
import { openFramePorts } from "./frame-ports.ts";
import type { HostLink } from "./interfaces.ts";
import { type Answer, answersOn, CountTable, type Responder, type ResponderOptions } from "./responder.ts";

/** Answers ARP requests for IPv4 addresses. RFC 826, RFC 5227. */
export function openArpResponder(
  { mayAnswer, macOf, onForeigner, onProblem }: ResponderOptions,
  openPorts = openFramePorts,
): Responder {
  const counts = new CountTable();
  let answers: ReadonlyMap<string, Answer> = new Map();

  const onFrame = (link: HostLink, frame: Uint8Array) => {
    const packet = readArp(frame, link.mac);
    if (packet === undefined) return;
    const sender = printAddress(addressFromBytes(packet.senderIp));
    if (answers.has(sender)) meet(link, sender, packet.senderMac);
    if (packet.operation === ArpOperation.Request) answer(link, packet);
  };

  /** Somebody speaks as an address of ours: another one than us, and than whom we stand in for. */
  const meet = (link: HostLink, address: string, mac: Uint8Array) => {
    const how = answers.get(address);
    if (how === undefined || how.inNameOf !== undefined || !answersOn(how, link.name)) return;
    if (ports.links().some((own) => Buffer.compare(own.mac, mac) === 0)) return;
    onForeigner({ address, mac: printMac(mac), interface: link.name });
  };

  const answer = (link: HostLink, asked: ArpPacket) => {
    const address = printAddress(addressFromBytes(asked.targetIp));
    const how = answers.get(address);
    if (how === undefined || !answersOn(how, link.name) || !mayAnswer()) return;
    counts.add(address, "requests");
    const mac = how.inNameOf === undefined ? link.mac : macOf(how.inNameOf, link);
    if (mac === undefined) return;
    ports.send(link.index, asked.senderMac, encodeArp(arpReply(asked, mac)));
    counts.add(address, "responses");
  };

  const ports = openPorts({ etherType: EtherType.Arp, onFrame, onProblem });
  return {
    setLinks: ports.setLinks,
    setAnswers: (next) => {
      const own = [...next].filter(([address]) => !address.includes(":"));
      const changed = own.length !== answers.size || own.some(([address]) => !answers.has(address));
      answers = new Map(own);
      if (changed) ports.setFilter(arpFilter([...answers.keys()].map((text) => Number(parseAddress(text).value))));
    },
    announce: (address) => {
      const how = answers.get(address);
      if (how === undefined || how.inNameOf !== undefined) return;
      const ip = addressToBytes(parseAddress(address));
      for (const { index, name, mac } of ports.links()) {
        if (!answersOn(how, name)) continue;
        for (const operation of [ArpOperation.Request, ArpOperation.Reply]) {
          ports.send(index, BROADCAST_MAC, encodeArp(gratuitousArp(operation, ip, mac)));
          counts.add(address, "gratuitous");
        }
      }
    },
    takeCounts: () => counts.take(),
    close: ports.close,
  };
}

/** The ARP packet in `frame` if it was sent to everybody or to `mac`; undefined for all else, whole or broken. */
export function readArp(frame: Uint8Array, mac: Uint8Array): ArpPacket | undefined {
  if (frame.length < ETHERNET_HEADER_LENGTH + ARP_LENGTH) return undefined;
  const { destination, etherType, payload } = decodeEthernet(frame);
  if (etherType !== EtherType.Arp) return undefined;
  if (Buffer.compare(destination, BROADCAST_MAC) !== 0 && Buffer.compare(destination, mac) !== 0) return undefined;
  return decodeArp(payload);
}

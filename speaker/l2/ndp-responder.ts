import { explainError } from "../../core/mod.ts";
import { type GroupMembership, openGroupMembership } from "../../linux/mod.ts";
import {
  ALL_NODES,
  addressFromBytes,
  addressToBytes,
  decodeEthernet,
  decodeNdp,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  encodeNdp,
  isUnspecified,
  multicastMac,
  type NdpPacket,
  type NeighbourSolicitation,
  parseAddress,
  printAddress,
  printMac,
  solicitedNodeGroup,
} from "../../net/mod.ts";
import { ndpFilter } from "./frame-filter.ts";
import { openFramePorts } from "./frame-ports.ts";
import type { HostLink } from "./interfaces.ts";
import { type Answer, answersOn, CountTable, type Responder, type ResponderOptions } from "./responder.ts";

const LAST_32_BITS = 0xffffffffn;

/** Answers neighbour solicitations for IPv6 addresses. RFC 4861 section 7.2. */
export function openNdpResponder(
  { mayAnswer, macOf, onForeigner, onProblem }: ResponderOptions,
  openPorts = openFramePorts,
): Responder {
  const counts = new CountTable();
  const groups = new Map<number, GroupMembership>();
  let answers: ReadonlyMap<string, Answer> = new Map();

  const onFrame = (link: HostLink, frame: Uint8Array) => {
    const read = readNdp(frame, link.mac);
    if (read === undefined) return;
    const { packet, from } = read;
    const address = printAddress(addressFromBytes(packet.target));
    const how = answers.get(address);
    if (how === undefined || !answersOn(how, link.name)) return;
    const claims = packet.kind === "advertisement" || isUnspecified(packet.source);
    const ours = ports.links().some(({ mac }) => Buffer.compare(mac, from) === 0);
    if (claims && how.inNameOf === undefined && !ours) {
      const mac = packet.kind === "advertisement" ? (packet.targetMac ?? from) : from;
      const known = ports.links().some((own) => Buffer.compare(own.mac, mac) === 0);
      if (!known) onForeigner({ address, mac: printMac(mac), interface: link.name });
    }
    if (packet.kind === "solicitation" && !ours) answer(link, packet, from, how);
  };

  const answer = (link: HostLink, asked: NeighbourSolicitation, from: Uint8Array, how: Answer) => {
    const address = printAddress(addressFromBytes(asked.target));
    if (!mayAnswer()) return;
    counts.add(address, "requests");
    const mac = how.inNameOf === undefined ? link.mac : macOf(how.inNameOf, link);
    if (mac === undefined) return;
    const to = isUnspecified(asked.source) ? multicastMac(ALL_NODES) : from;
    ports.send(link.index, to, encodeNdp(ndpReply(asked, mac)));
    counts.add(address, "responses");
  };

  /** Listens to the groups of the addresses on each interface that they are answered on. */
  const joinGroups = () => {
    const links = new Map(ports.links().map((link) => [link.index, link]));
    for (const [ifindex, membership] of groups) {
      if (links.has(ifindex)) continue;
      membership.close();
      groups.delete(ifindex);
    }
    for (const link of links.values()) {
      const here = [...answers].filter(([, how]) => answersOn(how, link.name));
      const membership = groups.get(link.index) ?? openGroupMembership(link.index);
      groups.set(link.index, membership);
      try {
        membership.set(here.map(([address]) => solicitedNodeGroup(addressToBytes(parseAddress(address)))));
      } catch (error) {
        // The kernel takes a link's groups away with its last IPv6 address: joined anew at the next look.
        membership.close();
        groups.delete(link.index);
        onProblem("l2.groups", { interface: link.name, reason: explainError(error) }, "could not join NDP groups");
      }
    }
  };

  const ports = openPorts({ etherType: EtherType.Ipv6, onFrame, onProblem });
  return {
    setLinks: (links) => {
      ports.setLinks(links.filter(({ speaksIpv6 }) => speaksIpv6));
      joinGroups();
    },
    setAnswers: (next) => {
      const own = [...next].filter(([address]) => address.includes(":"));
      if (own.length === 0 && answers.size === 0) return;
      answers = new Map(own);
      ports.setFilter(ndpFilter([...answers.keys()].map((text) => Number(parseAddress(text).value & LAST_32_BITS))));
      joinGroups();
    },
    announce: (address) => {
      const how = answers.get(address);
      if (how === undefined || how.inNameOf !== undefined) return;
      const target = addressToBytes(parseAddress(address));
      for (const { index, name, mac } of ports.links()) {
        if (!answersOn(how, name)) continue;
        ports.send(index, multicastMac(ALL_NODES), encodeNdp(unsolicitedNdp(target, mac)));
        counts.add(address, "gratuitous");
      }
    },
    takeCounts: () => counts.take(),
    close: () => {
      ports.close();
      for (const membership of groups.values()) membership.close();
      groups.clear();
    },
  };
}

/**
 * The answer to `asked`: its target is at `mac`. To one that looks for duplicates (source ::) it goes to all nodes, which
 * tells it that the address is taken: RFC 4862 section 5.4.3. It overrides what the asker has cached, for a holder is the
 * only one (MetalLB's does not). It comes from the target itself, as the kernel's own do; ndisc6 hears no other.
 */
export function ndpReply(asked: NeighbourSolicitation, mac: Uint8Array): NdpPacket {
  const probed = isUnspecified(asked.source);
  return {
    kind: "advertisement",
    source: asked.target,
    destination: probed ? ALL_NODES : asked.source,
    target: asked.target,
    solicited: !probed,
    override: true,
    targetMac: mac,
  };
}

/** Tells all nodes at once that `target` is at `mac`. RFC 4861 section 7.2.6. */
export function unsolicitedNdp(target: Uint8Array, mac: Uint8Array): NdpPacket {
  return {
    kind: "advertisement",
    source: target,
    destination: ALL_NODES,
    target,
    solicited: false,
    override: true,
    targetMac: mac,
  };
}

/** The packet in `frame` and who sent it, if it was sent to a group or to `mac`; undefined for all else, whole or broken. */
export function readNdp(frame: Uint8Array, mac: Uint8Array): { packet: NdpPacket; from: Uint8Array } | undefined {
  if (frame.length < ETHERNET_HEADER_LENGTH) return undefined;
  const { destination, source, etherType, payload } = decodeEthernet(frame);
  if (etherType !== EtherType.Ipv6) return undefined;
  const toGroup = destination[0] === 0x33 && destination[1] === 0x33;
  if (!toGroup && Buffer.compare(destination, mac) !== 0) return undefined;
  const packet = decodeNdp(payload);
  return packet && { packet, from: source };
}

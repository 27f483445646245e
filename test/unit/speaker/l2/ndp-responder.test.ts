import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ALL_NODES,
  addressToBytes,
  decodeEthernet,
  EtherType,
  encodeEthernet,
  encodeNdp,
  multicastMac,
  type NeighbourSolicitation,
  parseAddress,
  solicitedNodeGroup,
} from "../../../../net/mod.ts";
import { ndpReply, openNdpResponder, readNdp, unsolicitedNdp } from "../../../../speaker/l2/ndp-responder.ts";
import type { Answer, ResponderOptions } from "../../../../speaker/l2/responder.ts";
import { almost } from "./almost.ts";
import { OTHER, OWN, onFakePorts } from "./fake-ports.ts";

const bytes = (text: string) => addressToBytes(parseAddress(text));
const ADDRESS = "2001:db8::1:7";
const target = bytes(ADDRESS);
const asked: NeighbourSolicitation = {
  kind: "solicitation",
  source: bytes("fe80::2"),
  destination: solicitedNodeGroup(target),
  target,
  sourceMac: OTHER,
};
const frame = (destination = multicastMac(asked.destination), etherType: number = EtherType.Ipv6) =>
  encodeEthernet({ destination, source: OTHER, etherType, payload: encodeNdp(asked) });

describe("readNdp()", () => {
  test.each([
    ["to a group", frame(), true],
    ["to our own hardware address", frame(OWN), true],
    ["to another hardware address", frame(OTHER), false],
    ["of another EtherType", frame(OWN, 0x0800), false],
    ["of ten octets", frame().subarray(0, 10), false],
  ])("of a frame %s", (_, each, want) => {
    expect(readNdp(each, OWN)).toEqual(want ? { packet: asked, from: OTHER } : undefined);
  });
});

describe("openNdpResponder()", () => {
  const answering = (answer: Answer, options: Partial<ResponderOptions> = {}) => {
    const { responder, answersTo } = onFakePorts(openNdpResponder, options);
    responder.setAnswers(new Map([[ADDRESS, answer]]));
    return answersTo;
  };
  const held = { interfaces: ["eth0"] };
  const standsIn = { interfaces: ["eth0"], inNameOf: "node2" };

  test("answers with the link's own hardware address, or with that of the node it stands in for", () => {
    expect(answering(held)(frame())).toEqual([encodeNdp(ndpReply(asked, OWN))]);
    expect(answering(standsIn, { macOf: () => OTHER })(frame())).toEqual([encodeNdp(ndpReply(asked, OTHER))]);
  });

  test.each<[string, Answer, Partial<ResponderOptions>]>([
    ["another interface's address", { interfaces: ["eth1"] }, {}],
    ["anything after it was held up", held, { mayAnswer: () => false }],
    ["one that another node has, of unknown hardware address", standsIn, {}],
  ])("does not answer %s", (_, answer, options) => {
    expect(answering(answer, options)(frame())).toEqual([]);
  });

  const { sourceMac: _, ...unsigned } = asked;
  const questions = [asked, { ...unsigned, source: bytes("::") }, { ...asked, source: bytes("::") }];
  const frames = questions.map((each) => encodeEthernet({ ...decodeEthernet(frame()), payload: encodeNdp(each) }));
  const flawed = fc
    .tuple(fc.oneof(...frames.map(almost)), fc.boolean())
    .map(([broken, sealed]) => (sealed ? withChecksum(broken) : broken));
  test("answers a solicitation, and none of 100,000 frames that are not quite one", () => {
    const answersTo = answering(held);
    fc.assert(
      fc.property(flawed, (broken) => answersTo(broken).length === (isSolicitation(broken) ? 1 : 0)),
      { numRuns: 100_000 },
    );
  }, 60_000);
});

/** Octets of the Ethernet and IPv6 headers, and those a solicitation has at least. */
const [ETHERNET, IPV6, LEAST] = [14, 40, 24];

/** The ones' complement sum over a packet's addresses, length, protocol and message: RFC 8200 section 8.1. */
function sumOf(packet: Uint8Array): number {
  const length = Math.min((packet[4]! << 8) | packet[5]!, packet.length - IPV6);
  let sum = ((packet[4]! << 8) | packet[5]!) + 58;
  for (let at = 8; at < IPV6 + length; at++) sum += packet[at]! << (at % 2 === 0 ? 8 : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** The frame with the checksum that belongs to what is in it, if it is long enough to have one. */
function withChecksum(frame: Uint8Array): Uint8Array {
  if (frame.length < ETHERNET + IPV6 + LEAST) return frame;
  const out = Uint8Array.from(frame);
  const packet = out.subarray(ETHERNET);
  packet.set([0, 0], IPV6 + 2);
  const checksum = ~sumOf(packet) & 0xffff;
  packet.set([checksum >>> 8, checksum & 0xff], IPV6 + 2);
  return out;
}

/** What RFC 4861 section 7.1.1 wants of a solicitation of the address, in a frame for us or for a group. */
function isSolicitation(frame: Uint8Array): boolean {
  const packet = frame.subarray(ETHERNET);
  const length = (packet[4]! << 8) | packet[5]!;
  if (!/^(3333|020000000001)/.test(hex(frame)) || hex(frame.subarray(12, 14)) !== "86dd") return false;
  if (length < LEAST || packet.length < IPV6 + length) return false;
  if (packet[0]! >>> 4 !== 6 || packet[6] !== 58 || packet[7] !== 255 || sumOf(packet) !== 0xffff) return false;
  const message = packet.subarray(IPV6, IPV6 + length);
  if (message[0] !== 135 || message[1] !== 0 || hex(message.subarray(8, 24)) !== hex(target)) return false;
  const options = optionsOf(message.subarray(LEAST));
  if (options === undefined) return false;
  const isProbe = /^0+$/.test(hex(packet.subarray(8, 24)));
  const toGroup = hex(packet.subarray(24, 40)) === hex(solicitedNodeGroup(target));
  return !isProbe || (toGroup && !options.includes(1));
}

/** The types of options; undefined when one of them has no length or is cut off. */
function optionsOf(octets: Uint8Array): number[] | undefined {
  if (octets.length === 0) return [];
  const length = (octets[1] ?? 0) * 8;
  if (length === 0 || length > octets.length) return undefined;
  const others = optionsOf(octets.subarray(length));
  return others && [octets[0]!, ...others];
}

const hex = (octets: Uint8Array) => Buffer.from(octets).toString("hex");

describe("ndpReply()", () => {
  test("tells the asker, solicited", () => {
    expect(ndpReply(asked, OWN)).toMatchObject({
      destination: asked.source,
      source: target,
      target,
      solicited: true,
      targetMac: OWN,
    });
  });

  test("tells everybody when the asker looks for duplicates", () => {
    const probe = { ...asked, source: bytes("::") };
    expect(ndpReply(probe, OWN)).toMatchObject({
      destination: ALL_NODES,
      solicited: false,
      override: true,
    });
  });
});

describe("unsolicitedNdp()", () => {
  test("tells everybody and overrides what they know", () => {
    const packet = unsolicitedNdp(target, OWN);
    expect(packet).toMatchObject({ destination: ALL_NODES, solicited: false, override: true, targetMac: OWN });
  });
});

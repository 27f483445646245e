import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ArpOperation,
  type ArpPacket,
  arpReply,
  BROADCAST_MAC,
  EtherType,
  encodeArp,
  encodeEthernet,
} from "../../../../net/mod.ts";
import { openArpResponder, readArp } from "../../../../speaker/l2/arp-responder.ts";
import type { HostLink } from "../../../../speaker/l2/interfaces.ts";
import type { Answer, ResponderOptions } from "../../../../speaker/l2/responder.ts";
import { almost } from "./almost.ts";
import { OTHER, OWN, onFakePorts } from "./fake-ports.ts";

const ADDRESS = "192.0.2.1";
const request: ArpPacket = {
  operation: ArpOperation.Request,
  senderMac: OTHER,
  senderIp: Uint8Array.of(192, 0, 2, 10),
  targetMac: new Uint8Array(6),
  targetIp: Uint8Array.of(192, 0, 2, 1),
};
const frame = (packet: Partial<ArpPacket> = {}, destination = BROADCAST_MAC, etherType: number = EtherType.Arp) =>
  encodeEthernet({ destination, source: OTHER, etherType, payload: encodeArp({ ...request, ...packet }) });

describe("readArp()", () => {
  test.each([
    ["to everybody", frame(), true],
    ["to our own hardware address", frame({}, OWN), true],
    ["to another hardware address", frame({}, OTHER), false],
    ["another EtherType", frame({}, BROADCAST_MAC, 0x0800), false],
  ])("%s", (_, bytes, want) => {
    expect(readArp(bytes, OWN)).toEqual(want ? request : undefined);
  });

  test("of every truncation is nothing", () => {
    for (let length = 0; length < 42; length++) expect(readArp(frame().subarray(0, length), OWN)).toBeUndefined();
    expect(readArp(frame().subarray(0, 42), OWN)).toEqual(request);
  });
});

describe("openArpResponder()", () => {
  const answering = (answer: Answer, options: Partial<ResponderOptions> = {}) => {
    const { responder, answersTo } = onFakePorts(openArpResponder, options);
    responder.setAnswers(new Map([[ADDRESS, answer]]));
    return answersTo;
  };
  const held = { interfaces: ["eth0"] };
  const standsIn = { interfaces: ["eth0"], inNameOf: "node2" };

  test("answers with the link's own hardware address, or with that of the node it stands in for", () => {
    expect(answering(held)(frame())).toEqual([encodeArp(arpReply(request, OWN))]);
    const macOf = (node: string, { name }: HostLink) => (node === "node2" && name === "eth0" ? OTHER : undefined);
    expect(answering(standsIn, { macOf })(frame())).toEqual([encodeArp(arpReply(request, OTHER))]);
  });

  test.each<[string, Answer, Partial<ResponderOptions>, Partial<ArpPacket>]>([
    ["another address", held, {}, { targetIp: Uint8Array.of(192, 0, 2, 2) }],
    ["a reply", held, {}, { operation: ArpOperation.Reply }],
    ["another interface's address", { interfaces: ["eth1"] }, {}, {}],
    ["anything after it was held up", held, { mayAnswer: () => false }, {}],
    ["one that another node has, of unknown hardware address", standsIn, {}, {}],
  ])("does not answer %s", (_, answer, options, packet) => {
    expect(answering(answer, options)(frame(packet))).toEqual([]);
  });

  test("answers a request, however it is padded, and none of 100,000 frames that are not quite one", () => {
    const answersTo = answering(held);
    fc.assert(
      fc.property(almost(frame()), (bytes) => answersTo(bytes).length === (isRequest(bytes) ? 1 : 0)),
      { numRuns: 100_000 },
    );
  }, 60_000);
});

/** What RFC 826 wants of a request for the address: in the 42 octets of an Ethernet frame for us or for everybody. */
function isRequest(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes).toString("hex");
  return /^(ffffffffffff|020000000001).{12}08060001080006040001.{20}.{12}c0000201/.test(text);
}

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ArpOperation,
  type ArpPacket,
  BROADCAST_MAC,
  EtherType,
  encodeArp,
  encodeEthernet,
} from "../../../../net/mod.ts";
import { readArp } from "../../../../speaker/l2/arp-responder.ts";

const OWN = Uint8Array.of(2, 0, 0, 0, 0, 1);
const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 2);
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

  test("of 100,000 malformed frames is a packet or nothing, never an error", () => {
    const start = fc.constantFrom(new Uint8Array(), frame().subarray(0, 14), frame().subarray(0, 22));
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 80 }), (head, tail) => {
        const found = readArp(Uint8Array.of(...head, ...tail), OWN);
        if (found !== undefined) expect([ArpOperation.Request, ArpOperation.Reply]).toContain(found.operation);
      }),
      { numRuns: 100_000 },
    );
  }, 60_000);
});

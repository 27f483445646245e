import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BpfInstruction } from "../../../../linux/mod.ts";
import {
  ArpOperation,
  type ArpPacket,
  BROADCAST_MAC,
  EtherType,
  encodeArp,
  encodeEthernet,
} from "../../../../net/mod.ts";
import { ARP_REQUESTS_ONLY, readArpRequest } from "../../../../speaker/l2/arp-filter.ts";

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

/** The part of classic BPF that the filter uses; gives the octets to keep. net/core/filter.c. */
function run(program: readonly BpfInstruction[], bytes: Uint8Array): number {
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const { code, jt, jf, k } = program[at]!;
    if (code === 0x28 && k + 2 > bytes.length) return 0;
    if (code === 0x28) accumulator = (bytes[k]! << 8) | bytes[k + 1]!;
    else if (code === 0x15) at += accumulator === k ? jt : jf;
    else return k;
  }
}

describe("ARP_REQUESTS_ONLY", () => {
  test("passes requests whole and drops all else", () => {
    expect(run(ARP_REQUESTS_ONLY, frame())).toBeGreaterThanOrEqual(60);
    expect(run(ARP_REQUESTS_ONLY, frame({ operation: ArpOperation.Reply }))).toBe(0);
    expect(run(ARP_REQUESTS_ONLY, frame().subarray(0, 20))).toBe(0);
  });
});

describe("readArpRequest()", () => {
  test.each([
    ["to everybody", frame(), true],
    ["to our own hardware address", frame({}, OWN), true],
    ["to another hardware address", frame({}, OTHER), false],
    ["a reply", frame({ operation: ArpOperation.Reply }), false],
    ["another EtherType", frame({}, BROADCAST_MAC, 0x0800), false],
  ])("%s", (_, bytes, want) => {
    expect(readArpRequest(bytes, OWN)).toEqual(want ? request : undefined);
  });

  test("of every truncation is nothing", () => {
    for (let length = 0; length < 42; length++)
      expect(readArpRequest(frame().subarray(0, length), OWN)).toBeUndefined();
    expect(readArpRequest(frame().subarray(0, 42), OWN)).toEqual(request);
  });

  test("of any octets is a request or nothing, never an error", () => {
    const start = fc.constantFrom(new Uint8Array(), frame().subarray(0, 14), frame().subarray(0, 22));
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 80 }), (head, tail) => {
        const found = readArpRequest(Uint8Array.of(...head, ...tail), OWN);
        expect(found?.operation ?? ArpOperation.Request).toBe(ArpOperation.Request);
      }),
      { numRuns: 2000 },
    );
  });
});

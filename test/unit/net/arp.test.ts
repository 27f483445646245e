import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import {
  ARP_LENGTH,
  ArpOperation,
  type ArpPacket,
  arpReply,
  BROADCAST_MAC,
  decodeArp,
  encodeArp,
  gratuitousArp,
} from "../../../net/mod.ts";

const request: ArpPacket = {
  operation: ArpOperation.Request,
  senderMac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  senderIp: Uint8Array.of(192, 0, 2, 10),
  targetMac: new Uint8Array(6),
  targetIp: Uint8Array.of(192, 0, 2, 1),
};

/** As tcpdump -xx prints it behind the Ethernet header. */
const REQUEST_HEX = "0001080006040001020000000001c000020a000000000000c0000201";

describe("encodeArp()", () => {
  test("writes the octets of RFC 826 in order", () => {
    expect(Buffer.from(encodeArp(request)).toString("hex")).toBe(REQUEST_HEX);
  });
});

describe("decodeArp()", () => {
  const cases: { name: string; edit: (bytes: Uint8Array) => void; want: ArpPacket | undefined }[] = [
    { name: "reads what encodeArp() wrote", edit: () => {}, want: request },
    { name: "reads a reply", edit: (bytes) => bytes.set([0, 2], 6), want: { ...request, operation: 2 } },
    { name: "ignores another hardware type", edit: (bytes) => bytes.set([0, 32], 0), want: undefined },
    { name: "ignores another protocol", edit: (bytes) => bytes.set([0x86, 0xdd], 2), want: undefined },
    { name: "ignores another hardware length", edit: (bytes) => bytes.set([8], 4), want: undefined },
    { name: "ignores another protocol length", edit: (bytes) => bytes.set([16], 5), want: undefined },
    { name: "ignores operation 0", edit: (bytes) => bytes.set([0, 0], 6), want: undefined },
    { name: "ignores RARP operations", edit: (bytes) => bytes.set([0, 3], 6), want: undefined },
    { name: "ignores an operation above 255", edit: (bytes) => bytes.set([1, 1], 6), want: undefined },
  ];
  test.each(cases)("$name", ({ edit, want }) => {
    const bytes = encodeArp(request);
    edit(bytes);
    expect(decodeArp(bytes)).toEqual(want);
  });

  test("ignores padding behind the packet", () => {
    const padded = new Uint8Array(46);
    padded.set(encodeArp(request));
    expect(decodeArp(padded)).toEqual(request);
  });

  test.each(Array.from({ length: ARP_LENGTH }, (_, length) => ({ length })))("refuses $length octets", ({ length }) => {
    const attempt = () => decodeArp(encodeArp(request).subarray(0, length));
    expect(attempt).toThrowError(expect.toSatisfy((error: unknown) => hasCode(error, "IB_WIRE_TRUNCATED")));
  });

  const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  test("gives back every packet encodeArp() wrote", () => {
    const packet = fc.record({
      operation: fc.constantFrom(ArpOperation.Request, ArpOperation.Reply),
      senderMac: octets(6),
      senderIp: octets(4),
      targetMac: octets(6),
      targetIp: octets(4),
    });
    fc.assert(
      fc.property(packet, (value) => {
        expect(decodeArp(encodeArp(value))).toEqual(value);
      }),
    );
  });

  test("of any octets returns or throws IB_WIRE_TRUNCATED, never else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeArp(bytes);
        } catch (error) {
          expect(hasCode(error, "IB_WIRE_TRUNCATED")).toBe(true);
        }
      }),
    );
  });
});

describe("arpReply()", () => {
  test("answers the asker with the address asked for", () => {
    const mac = Uint8Array.of(2, 0, 0, 0, 0, 9);
    expect(arpReply(request, mac)).toEqual({
      operation: ArpOperation.Reply,
      senderMac: mac,
      senderIp: request.targetIp,
      targetMac: request.senderMac,
      targetIp: request.senderIp,
    });
  });
});

describe("gratuitousArp()", () => {
  test("names one address twice and everybody as its target", () => {
    const ip = Uint8Array.of(192, 0, 2, 1);
    const packet = gratuitousArp(ArpOperation.Request, ip, request.senderMac);
    expect(packet.senderIp).toEqual(ip);
    expect(packet.targetIp).toEqual(ip);
    expect(packet.targetMac).toEqual(BROADCAST_MAC);
  });
});

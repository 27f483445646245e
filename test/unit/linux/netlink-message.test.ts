import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IronbridgeError } from "../../../core/mod.ts";
import {
  decodeAttributes,
  decodeMessages,
  encodeAttributes,
  encodeMessage,
  encodePayload,
  readText,
  readUint32,
  uint8,
  uint32,
} from "../../../linux/netlink-message.ts";

const octets = fc.uint8Array({ maxLength: 40 });
const message = fc.record({
  type: fc.nat(0xffff),
  flags: fc.nat(0xffff),
  sequence: fc.nat(0xffff_ffff),
  port: fc.nat(0xffff_ffff),
  payload: octets,
});

describe("decodeMessages()", () => {
  test("reads what encodeMessage() wrote, several in a row", () => {
    fc.assert(
      fc.property(fc.array(message), (messages) => {
        const padded = messages.map((one) => {
          const bytes = encodeMessage(one);
          const out = new Uint8Array((bytes.length + 3) & ~3);
          out.set(bytes);
          return [...out];
        });
        expect(decodeMessages(Uint8Array.from(padded.flat()))).toEqual(messages);
      }),
    );
  });

  test("reads anything or says that it does not fit", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        try {
          decodeMessages(bytes);
          decodeAttributes(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(IronbridgeError);
        }
      }),
    );
  });

  test("refuses a length beyond the datagram", () => {
    const bytes = encodeMessage({ type: 1, flags: 0, sequence: 1, port: 0, payload: new Uint8Array(4) });
    expect(() => decodeMessages(bytes.subarray(0, 18))).toThrow(
      "netlink message at octet 0 does not fit the 18 octets",
    );
  });
});

describe("encodeAttributes()", () => {
  test("pads to four octets, ends text with a zero and marks nests", () => {
    expect([
      ...encodeAttributes([
        [3, "lo"],
        [10, uint8(7)],
        [18, [[1, uint32(5)]]],
      ]),
    ]).toEqual([
      ...[7, 0, 3, 0, 0x6c, 0x6f, 0, 0],
      ...[5, 0, 10, 0, 7, 0, 0, 0],
      ...[12, 0, 18, 0x80, 8, 0, 1, 0, 5, 0, 0, 0],
    ]);
  });

  test("is read back by decodeAttributes(), behind a header", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(fc.nat(0x3fff), octets), { selector: ([type]) => type }), (attributes) => {
        const payload = encodePayload(new Uint8Array(12), attributes);
        expect([...decodeAttributes(payload, 12)]).toEqual(attributes);
      }),
    );
  });
});

describe("numbers and text", () => {
  test.each([
    { name: "host order", value: readUint32(Uint8Array.of(1, 2, 0, 0)), want: 0x201 },
    { name: "too short", value: readUint32(Uint8Array.of(1, 2)), want: undefined },
    { name: "absent", value: readUint32(undefined), want: undefined },
    { name: "text with its zero", value: readText(Uint8Array.of(0x6c, 0x6f, 0)), want: "lo" },
    { name: "text without", value: readText(Uint8Array.of(0x6c, 0x6f)), want: "lo" },
  ])("$name", ({ value, want }) => expect(value).toBe(want));
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import { decodeEthernet, ETHERNET_HEADER_LENGTH, EtherType, encodeEthernet } from "../../../net/mod.ts";

const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe("encodeEthernet()", () => {
  test("pads a short payload to the smallest frame", () => {
    const frame = encodeEthernet({
      destination: new Uint8Array(6).fill(0xff),
      source: Uint8Array.of(2, 0, 0, 0, 0, 1),
      etherType: EtherType.Arp,
      payload: Uint8Array.of(7),
    });
    expect(frame.length).toBe(60);
    expect(Buffer.from(frame).toString("hex")).toBe(`ffffffffffff020000000001080607${"00".repeat(45)}`);
  });
});

describe("decodeEthernet()", () => {
  test("gives back every frame encodeEthernet() wrote", () => {
    const frame = fc.record({
      destination: octets(6),
      source: octets(6),
      etherType: fc.integer({ min: 0, max: 0xffff }),
      payload: fc.uint8Array({ minLength: 46, maxLength: 200 }),
    });
    fc.assert(
      fc.property(frame, (value) => {
        expect(decodeEthernet(encodeEthernet(value))).toEqual(value);
      }),
    );
  });

  test.each(Array.from({ length: ETHERNET_HEADER_LENGTH }, (_, length) => ({ length })))(
    "refuses $length octets",
    ({ length }) => {
      const attempt = () => decodeEthernet(new Uint8Array(length));
      expect(attempt).toThrowError(expect.toSatisfy((error: unknown) => hasCode(error, "IB_WIRE_TRUNCATED")));
    },
  );
});

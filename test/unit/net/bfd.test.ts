import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import { type BfdPacket, BfdState, decodeBfd, encodeBfd } from "../../../net/mod.ts";

const number = fc.integer({ min: 0, max: 0xffff_ffff });
const packet: fc.Arbitrary<BfdPacket> = fc.record({
  diagnostic: fc.integer({ min: 0, max: 31 }),
  state: fc.constantFrom(...Object.values(BfdState)),
  poll: fc.boolean(),
  final: fc.boolean(),
  independent: fc.boolean(),
  demand: fc.boolean(),
  multiplier: fc.integer({ min: 1, max: 255 }),
  myDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
  yourDiscriminator: fc.integer({ min: 1, max: 0xffff_ffff }),
  desiredMinTx: number,
  requiredMinRx: number,
  requiredMinEchoRx: number,
});
const SAMPLE: BfdPacket = {
  diagnostic: 0,
  state: BfdState.Up,
  poll: false,
  final: false,
  independent: false,
  demand: false,
  multiplier: 3,
  myDiscriminator: 1,
  yourDiscriminator: 2,
  desiredMinTx: 50_000,
  requiredMinRx: 50_000,
  requiredMinEchoRx: 0,
};

/** `encodeBfd(SAMPLE)` with one octet replaced. */
function edited(at: number, value: number): Uint8Array {
  const bytes = encodeBfd(SAMPLE);
  bytes[at] = value;
  return bytes;
}

describe("decodeBfd()", () => {
  test("reads what encodeBfd() wrote", () => {
    fc.assert(
      fc.property(packet, (each) => {
        expect(decodeBfd(encodeBfd(each))).toEqual(each);
      }),
    );
  });

  test("refuses every truncation", () => {
    const whole = encodeBfd(SAMPLE);
    for (let length = 0; length < whole.length; length++) {
      const attempt = () => decodeBfd(whole.subarray(0, length));
      expect(attempt).toThrowError(expect.toSatisfy((error: unknown) => hasCode(error, "IB_WIRE_TRUNCATED")));
    }
  });

  test("reads or refuses whatever comes, and never fails otherwise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          decodeBfd(bytes);
        } catch (error) {
          expect(hasCode(error, "IB_WIRE_TRUNCATED")).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  const ignored: { name: string; bytes: Uint8Array }[] = [
    { name: "version 2", bytes: edited(0, 2 << 5) },
    { name: "authentication", bytes: edited(1, (BfdState.Up << 6) | 0x04) },
    { name: "multipoint", bytes: edited(1, (BfdState.Up << 6) | 0x01) },
    { name: "a multiplier of 0", bytes: edited(2, 0) },
    { name: "no discriminator of its own", bytes: edited(7, 0) },
    { name: "no discriminator of ours, though it is up", bytes: edited(11, 0) },
  ];
  test.each(ignored)("ignores a packet with $name", ({ bytes }) => {
    expect(decodeBfd(bytes)).toBeUndefined();
  });

  test("takes a packet that is down and knows no discriminator of ours yet", () => {
    const fresh = { ...SAMPLE, state: BfdState.Down, yourDiscriminator: 0 };
    expect(decodeBfd(encodeBfd(fresh))).toEqual(fresh);
  });
});

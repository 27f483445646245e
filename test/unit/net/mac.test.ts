import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import { BROADCAST_MAC, parseMac, printMac } from "../../../net/mod.ts";

describe("parseMac()", () => {
  test("reads both cases", () => {
    expect(parseMac("02:aB:00:Ff:10:01")).toEqual(Uint8Array.of(2, 0xab, 0, 0xff, 0x10, 1));
  });

  test.each(["", "02:00:00:00:00", "02:00:00:00:00:01:02", "2:0:0:0:0:1", "02-00-00-00-00-01", "0g:00:00:00:00:01"])(
    "refuses %j",
    (text) => {
      expect(() => parseMac(text)).toThrowError(
        expect.toSatisfy((error: unknown) => hasCode(error, "IB_ADDRESS_INVALID")),
      );
    },
  );

  test("gives back every address printMac() wrote", () => {
    const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(mac, (value) => {
        expect(parseMac(printMac(value))).toEqual(value);
      }),
    );
  });
});

describe("printMac()", () => {
  test("writes lower case with colons", () => {
    expect(printMac(BROADCAST_MAC)).toBe("ff:ff:ff:ff:ff:ff");
    expect(printMac(Uint8Array.of(2, 0, 0, 0, 0xa, 1))).toBe("02:00:00:00:0a:01");
  });
});

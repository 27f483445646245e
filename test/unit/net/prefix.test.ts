import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import {
  ADDRESS_BITS,
  type Address,
  parseAddress,
  parsePrefix,
  parseRange,
  prefixContains,
  prefixOf,
  prefixRange,
  printPrefix,
  printRange,
  rangeContains,
  rangesOverlap,
} from "../../../net/mod.ts";

const invalid = expect.toSatisfy((error: unknown) => hasCode(error, "IB_ADDRESS_INVALID"));

const addressAndLength = fc.constantFrom("ipv4" as const, "ipv6" as const).chain((family) =>
  fc.record({
    address: fc
      .bigInt({ min: 0n, max: 2n ** BigInt(ADDRESS_BITS[family]) - 1n })
      .map((value): Address => ({ family, value })),
    length: fc.integer({ min: 0, max: ADDRESS_BITS[family] }),
  }),
);

describe("parsePrefix()", () => {
  test.each([
    ["192.0.2.0/24", "192.0.2.0/24"],
    ["192.0.2.77/24", "192.0.2.0/24"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["10.1.2.3/32", "10.1.2.3/32"],
    ["2001:db8::1/64", "2001:db8::/64"],
    ["::/0", "::/0"],
  ])("reads %s as %s", (text, want) => expect(printPrefix(parsePrefix(text))).toBe(want));

  test.each([
    "",
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "::/129",
    "10.0.0.0/8 ",
    "x/8",
  ])("refuses %j", (text) => expect(() => parsePrefix(text)).toThrowError(invalid));

  test("gives back every prefix printPrefix() wrote", () => {
    fc.assert(
      fc.property(addressAndLength, ({ address, length }) => {
        const prefix = prefixOf(address, length);
        expect(parsePrefix(printPrefix(prefix))).toEqual(prefix);
      }),
    );
  });
});

describe("prefixOf()", () => {
  test("holds the address it was made of, and prefixRange() is as long as the mask says", () => {
    fc.assert(
      fc.property(addressAndLength, ({ address, length }) => {
        const prefix = prefixOf(address, length);
        expect(prefixContains(prefix, address)).toBe(true);
        const { first, last } = prefixRange(prefix);
        expect(last - first + 1n).toBe(2n ** BigInt(ADDRESS_BITS[address.family] - length));
      }),
    );
  });
});

describe("prefixContains()", () => {
  test.each([
    ["192.0.2.0/24", "192.0.2.0", true],
    ["192.0.2.0/24", "192.0.2.255", true],
    ["192.0.2.0/24", "192.0.3.0", false],
    ["0.0.0.0/0", "::", false],
    ["::/0", "ffff::", true],
  ])("%s holds %s: %s", (prefix, address, want) => {
    expect(prefixContains(parsePrefix(prefix), parseAddress(address))).toBe(want);
  });
});

describe("parseRange()", () => {
  test.each([
    ["192.168.1.100-192.168.1.150", "192.168.1.100-192.168.1.150"],
    ["192.168.1.100 - 192.168.1.100", "192.168.1.100-192.168.1.100"],
    ["192.168.1.7/30", "192.168.1.4-192.168.1.7"],
    ["2001:db8::1-2001:db8::ff", "2001:db8::1-2001:db8::ff"],
  ])("reads %s as %s", (text, want) => expect(printRange(parseRange(text))).toBe(want));

  test.each(["", "192.168.1.1", "192.168.1.9-192.168.1.1", "10.0.0.1-::1", "10.0.0.1-10.0.0.2-10.0.0.3", "10.0.0.1-"])(
    "refuses %j",
    (text) => expect(() => parseRange(text)).toThrowError(invalid),
  );

  test("says which way a range runs backwards", () => {
    expect(() => parseRange("192.168.1.9-192.168.1.1")).toThrowError(/runs backwards/);
  });
});

describe("rangesOverlap()", () => {
  test.each([
    ["10.0.0.1-10.0.0.5", "10.0.0.5-10.0.0.9", true],
    ["10.0.0.1-10.0.0.4", "10.0.0.5-10.0.0.9", false],
    ["10.0.0.0/24", "10.0.0.7-10.0.0.8", true],
    ["0.0.0.0/0", "::/0", false],
  ])("%s and %s: %s", (a, b, want) => {
    expect(rangesOverlap(parseRange(a), parseRange(b))).toBe(want);
    expect(rangesOverlap(parseRange(b), parseRange(a))).toBe(want);
  });

  test("agrees with rangeContains() about the ends", () => {
    fc.assert(
      fc.property(addressAndLength, addressAndLength, (a, b) => {
        const first = prefixRange(prefixOf(a.address, a.length));
        const second = prefixRange(prefixOf(b.address, b.length));
        const touches =
          rangeContains(first, { family: second.family, value: second.first }) ||
          rangeContains(second, { family: first.family, value: first.first });
        expect(rangesOverlap(first, second)).toBe(touches);
      }),
    );
  });
});

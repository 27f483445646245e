import fc from "fast-check";
import { Address6 } from "ip-address";
import { describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import {
  type Address,
  addressFromBytes,
  addressToBytes,
  compareAddresses,
  parseAddress,
  printAddress,
  sameAddress,
  tryParseAddress,
} from "../../../net/mod.ts";

const anyAddress: fc.Arbitrary<Address> = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => ({ family: "ipv4" as const, value })),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => ({ family: "ipv6" as const, value })),
);

describe("parseAddress()", () => {
  const cases: { text: string; want: Address; printed?: string }[] = [
    { text: "0.0.0.0", want: { family: "ipv4", value: 0n } },
    { text: "192.0.2.1", want: { family: "ipv4", value: 0xc0000201n } },
    { text: "255.255.255.255", want: { family: "ipv4", value: 0xffffffffn } },
    { text: "::", want: { family: "ipv6", value: 0n } },
    { text: "::1", want: { family: "ipv6", value: 1n } },
    { text: "2001:DB8::A", want: { family: "ipv6", value: (0x20010db8n << 96n) | 10n }, printed: "2001:db8::a" },
    {
      text: "2001:0db8:0:0:0:0:0:1",
      want: { family: "ipv6", value: (0x20010db8n << 96n) | 1n },
      printed: "2001:db8::1",
    },
    { text: "fc00:f853:ccd:e799::", want: { family: "ipv6", value: 0xfc00f8530ccde799n << 64n } },
    { text: "1:0:0:2:0:0:0:3", want: parseAddress("1:0:0:2::3"), printed: "1:0:0:2::3" },
  ];
  test.each(cases)("reads $text", ({ text, want, printed }) => {
    expect(parseAddress(text)).toEqual(want);
    expect(printAddress(parseAddress(text))).toBe(printed ?? text);
  });

  test("takes an IPv4-mapped address as IPv6", () => {
    expect(parseAddress("::ffff:192.0.2.1")).toEqual({ family: "ipv6", value: 0xffffc0000201n });
  });

  const refused = [
    "",
    " ",
    "localhost",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "1.2.3.4/32",
    "fe80::1%eth0",
    "1::2::3",
    ":::",
  ];
  test.each(refused)("refuses %j", (text) => {
    expect(tryParseAddress(text)).toBeUndefined();
    expect(() => parseAddress(text)).toThrowError(
      expect.toSatisfy((error: unknown) => hasCode(error, "IB_ADDRESS_INVALID")),
    );
  });

  test("prints IPv6 as the library does, whichever groups are zero", () => {
    const zeros = fc.array(fc.constantFrom(0, 0, 0xa, 0xffff), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(zeros, (groups) => {
        const value = groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
        expect(printAddress({ family: "ipv6", value })).toBe(Address6.fromBigInt(value).correctForm());
      }),
      { numRuns: 2000 },
    );
  });

  test("gives back every address printAddress() wrote", () => {
    fc.assert(
      fc.property(anyAddress, (address) => {
        expect(parseAddress(printAddress(address))).toEqual(address);
      }),
    );
  });
});

describe("addressFromBytes()", () => {
  test("gives back every address addressToBytes() wrote", () => {
    fc.assert(
      fc.property(anyAddress, (address) => {
        const bytes = addressToBytes(address);
        expect(bytes.length).toBe(address.family === "ipv4" ? 4 : 16);
        expect(addressFromBytes(bytes)).toEqual(address);
      }),
    );
  });

  test.each([0, 3, 5, 15, 17])("refuses %i octets", (length) => {
    expect(() => addressFromBytes(new Uint8Array(length))).toThrowError(
      expect.toSatisfy((error: unknown) => hasCode(error, "IB_WIRE_TRUNCATED")),
    );
  });
});

describe("compareAddresses()", () => {
  test("puts IPv4 before IPv6 and then sorts by number", () => {
    const sorted = ["10.0.0.9", "10.0.0.10", "::1", "2001:db8::1"];
    const shuffled = [sorted[3]!, sorted[1]!, sorted[2]!, sorted[0]!].map(parseAddress);
    expect(shuffled.sort(compareAddresses).map(printAddress)).toEqual(sorted);
  });

  test("is 0 exactly for sameAddress()", () => {
    fc.assert(
      fc.property(anyAddress, anyAddress, (a, b) => {
        expect(compareAddresses(a, b) === 0).toBe(sameAddress(a, b));
        expect(Math.sign(compareAddresses(a, b)) + Math.sign(compareAddresses(b, a))).toBe(0);
      }),
    );
  });
});

describe("sameAddress()", () => {
  test("tells the families apart", () => {
    expect(sameAddress(parseAddress("0.0.0.1"), parseAddress("::1"))).toBe(false);
  });
});

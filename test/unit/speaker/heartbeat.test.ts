import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import { printAddress, printMac } from "../../../net/mod.ts";
import type { Claim } from "../../../speaker/claim.ts";
import { decodeHeartbeat, encodeHeartbeat, type Heartbeat, PHASES, splitClaims } from "../../../speaker/heartbeat.ts";

const KEY = new Uint8Array(32).fill(1);
const HEARTBEAT: Heartbeat = {
  from: "node1",
  stamp: { epoch: 0x0102030405060708n, sequence: 9 },
  echo: { epoch: 0xfffefdfcfbfaf9f8n, sequence: 10 },
  phase: "running",
  probe: true,
  edition: 11,
  acknowledged: 12,
  part: {
    index: 0,
    count: 1,
    claims: new Map([
      ["192.0.2.1", { stance: "holds", score: 258 }],
      ["2001:db8::1", { stance: "standsIn", score: 0 }],
    ]),
    stations: new Map([[0xfedcba98, "02:00:00:00:00:01"]]),
  },
};

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const uint16 = fc.integer({ min: 0, max: 0xffff });
const stamp = fc.record({ epoch: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), sequence: uint32 });
const claim: fc.Arbitrary<Claim> = fc.record({
  stance: fc.constantFrom("ready", "holds", "handsOver", "standsIn"),
  score: uint16,
});
const address = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => printAddress({ family: "ipv4", value })),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => printAddress({ family: "ipv6", value })),
);
const claims = (maxLength: number) =>
  fc.uniqueArray(fc.tuple(address, claim), { maxLength, selector: ([text]) => text }).map((list) => new Map(list));
const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(printMac);
const stations = (maxLength: number) =>
  fc.uniqueArray(fc.tuple(uint32, mac), { maxLength, selector: ([network]) => network }).map((list) => new Map(list));
const heartbeat: fc.Arbitrary<Heartbeat> = fc
  .record({
    from: fc.string({ maxLength: 60, unit: "binary" }),
    stamp,
    echo: stamp,
    phase: fc.constantFrom(...PHASES),
    probe: fc.boolean(),
    edition: uint32,
    acknowledged: uint32,
    part: fc.option(
      fc.record({
        index: uint16,
        count: fc.integer({ min: 1, max: 0xffff }),
        claims: claims(40),
        stations: stations(20),
      }),
    ),
  })
  .map(({ part, ...rest }) => (part === null ? rest : { ...rest, part }));

describe("encodeHeartbeat()", () => {
  test("writes the fields in the order of the table", () => {
    const bytes = Buffer.from(encodeHeartbeat(HEARTBEAT, [KEY]));
    const hex = [
      "49424831 01 01 05 6e6f646531",
      "0102030405060708 00000009 fffefdfcfbfaf9f8 0000000a 0000000b 0000000c 0000 0001 0002 01",
      "01 0102 c0000201",
      "83 0000 20010db8000000000000000000000001",
      "fedcba98 020000000001",
    ];
    expect(bytes.subarray(0, -33).toString("hex")).toBe(hex.join("").replaceAll(" ", ""));
  });
});

describe("decodeHeartbeat()", () => {
  test("gives back every heartbeat encodeHeartbeat() wrote", () => {
    fc.assert(
      fc.property(heartbeat, (value) => {
        expect(decodeHeartbeat(encodeHeartbeat(value, [KEY]), [KEY])).toEqual(value);
      }),
    );
  });

  test("ignores another key, and a datagram with any octet changed", () => {
    const bytes = encodeHeartbeat(HEARTBEAT, [KEY]);
    expect(decodeHeartbeat(bytes, [new Uint8Array(32).fill(2)])).toBe("strange");
    for (let i = 0; i < bytes.length; i++) {
      const changed = Uint8Array.from(bytes);
      changed[i]! ^= 1;
      expect(["strange", undefined]).toContain(decodeHeartbeat(changed, [KEY]));
    }
  });

  test("is read by whoever has one of the keys it was sealed with, so that keys can be replaced one node after the other", () => {
    const [old, next] = [KEY, new Uint8Array(32).fill(3)];
    const stages = [[old], [old, next], [next, old], [next]];
    for (const [i, from] of stages.entries()) {
      for (const to of stages.slice(Math.max(0, i - 1), i + 2)) {
        expect(decodeHeartbeat(encodeHeartbeat(HEARTBEAT, from), to)).toEqual(HEARTBEAT);
      }
    }
    expect(decodeHeartbeat(encodeHeartbeat(HEARTBEAT, [old]), [next])).toBe("strange");
  });

  test("ignores every truncation", () => {
    const bytes = encodeHeartbeat(HEARTBEAT, [KEY]);
    for (let length = 0; length < bytes.length; length++) {
      expect(["strange", undefined]).toContain(decodeHeartbeat(bytes.subarray(0, length), [KEY]));
    }
  });

  test("ignores whatever comes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeHeartbeat(bytes, [KEY])).toBeUndefined();
      }),
    );
  });

  test("refuses an authentic datagram of another version", () => {
    const longer = { ...HEARTBEAT, part: { ...HEARTBEAT.part!, claims: new Map() } };
    const versions = [
      { ...HEARTBEAT, phase: "unheard of" as never },
      { ...longer, part: { ...longer.part, claims: new Map([["192.0.2.1", { stance: "??" as never, score: 0 }]]) } },
    ];
    for (const version of versions) {
      const attempt = () => decodeHeartbeat(encodeHeartbeat(version, [KEY]), [KEY]);
      expect(attempt).toThrowError(expect.toSatisfy((error: unknown) => hasCode(error, "IB_WIRE_TRUNCATED")));
    }
  });
});

describe("splitClaims()", () => {
  test("keeps every claim, every station, and every datagram under 1280 octets", () => {
    fc.assert(
      fc.property(claims(300), stations(300), (all, ends) => {
        const parts = splitClaims(all, ends);
        expect(new Map(parts.flatMap((part) => [...part.claims]))).toEqual(all);
        expect(new Map(parts.flatMap((part) => [...part.stations]))).toEqual(ends);
        for (const [index, part] of parts.entries()) {
          expect(part).toMatchObject({ index, count: parts.length });
          const size = encodeHeartbeat({ ...HEARTBEAT, from: "n".repeat(253), part }, [KEY]).length;
          expect(size + 48).toBeLessThanOrEqual(1280); // IPv6 and UDP headers; RFC 8200 section 5
        }
      }),
      { numRuns: 30 },
    );
  });

  test("says in one part that there are none", () => {
    const [claims, stations] = [new Map(), new Map()];
    expect(splitClaims(claims, stations)).toEqual([{ index: 0, count: 1, claims, stations }]);
  });
});

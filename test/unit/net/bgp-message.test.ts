import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BGP_MESSAGE_LENGTH,
  BgpFramer,
  type BgpMessage,
  BgpRefusal,
  decodeBgpMessage,
  encodeBgpMessage,
} from "../../../net/mod.ts";
import { bgpMessage } from "../../support/bgp-arbitrary.ts";

const WIDE = { fourOctetAsn: true };
/** IB_MUTATIONS=1000000 for the slow tier. */
const MUTATIONS = Number(process.env.IB_MUTATIONS ?? 20_000);
const TIMEOUT = 20_000 + MUTATIONS;

/** The NOTIFICATION's code and subcode, or what was read. */
function readAll(bytes: Uint8Array): readonly (BgpMessage | string)[] {
  const framer = new BgpFramer();
  const read: (BgpMessage | string)[] = [];
  try {
    framer.push(bytes);
    for (let each = framer.next(); each !== undefined; each = framer.next()) read.push(decodeBgpMessage(each, WIDE));
  } catch (error) {
    if (!(error instanceof BgpRefusal)) throw error;
    read.push(`${error.notification.code}/${error.notification.subcode}`);
  }
  return read;
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));
}

/** A message of `type` with this body. */
function message(type: number, body: string): Uint8Array {
  const octets = hex(body);
  return Uint8Array.of(...new Array(16).fill(0xff), 0, 19 + octets.length, type, ...octets);
}

describe("decodeBgpMessage()", () => {
  test("reads what encodeBgpMessage() wrote", () => {
    fc.assert(
      fc.property(bgpMessage, (each) => {
        expect(decodeBgpMessage(encodeBgpMessage(each, WIDE), WIDE)).toEqual(each);
      }),
      { numRuns: 1000 },
    );
  });

  test("reads AS numbers of four octets from a peer that knows two", () => {
    const narrow = { fourOctetAsn: false };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 0xffff_ffff }), { minLength: 1, maxLength: 10 }), (asns) => {
        const attributes = { origin: 0, asPath: [{ type: 2, asns }] };
        const each: BgpMessage = { type: "update", update: { withdrawn: [], attributes, announced: [] } };
        expect(decodeBgpMessage(encodeBgpMessage(each, narrow), narrow)).toEqual(each);
      }),
    );
  });

  test("refuses or reads every truncation, and never fails otherwise", () => {
    fc.assert(
      fc.property(bgpMessage, (each) => {
        const whole = encodeBgpMessage(each, WIDE);
        for (let length = 19; length < whole.length; length += whole.length > 400 ? 7 : 1) {
          const cut = whole.slice(0, length);
          cut[16] = length >>> 8;
          cut[17] = length & 0xff;
          readAll(cut);
        }
      }),
      { numRuns: 100 },
    );
  });

  test(
    `answers ${MUTATIONS} mutated messages with a NOTIFICATION or reads them`,
    () => {
      const samples = fc.sample(bgpMessage, 500).map((each) => encodeBgpMessage(each, WIDE));
      let state = 0x2545f491;
      const random = (below: number) => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return (state >>> 0) % below;
      };
      for (let i = 0; i < MUTATIONS; i++) {
        const bytes = samples[random(samples.length)]!.slice();
        for (let n = random(4); n >= 0; n--) bytes[16 + random(bytes.length - 16)] = random(256);
        readAll(bytes);
      }
    },
    TIMEOUT,
  );

  const cases: { name: string; bytes: Uint8Array; want: string }[] = [
    { name: "a marker that is not all ones", bytes: new Uint8Array(19), want: "1/1" },
    { name: "an unknown type", bytes: message(9, ""), want: "1/3" },
    { name: "a KEEPALIVE with a body", bytes: message(4, "00"), want: "1/2" },
    { name: "an OPEN that is too short", bytes: message(1, "04"), want: "1/2" },
    { name: "version 3", bytes: message(1, "03 fde8 005a 0a000001 00"), want: "2/1" },
    { name: "AS 0", bytes: message(1, "04 0000 005a 0a000001 00"), want: "2/2" },
    { name: "router ID 0", bytes: message(1, "04 fde8 005a 00000000 00"), want: "2/3" },
    { name: "a hold time of 2", bytes: message(1, "04 fde8 0002 0a000001 00"), want: "2/6" },
    { name: "an unknown optional parameter", bytes: message(1, "04 fde8 005a 0a000001 02 0100"), want: "2/4" },
    { name: "a capability that is too short", bytes: message(1, "04 fde8 005a 0a000001 05 0203 010100"), want: "2/0" },
    { name: "withdrawn routes longer than the message", bytes: message(2, "00ff 0000"), want: "3/1" },
    { name: "attributes longer than the message", bytes: message(2, "0000 00ff"), want: "3/1" },
    { name: "an IPv4 prefix of 33 bits", bytes: message(2, "0006 210a000000ff 0000"), want: "3/10" },
    { name: "an unknown well-known attribute", bytes: message(2, "0000 0003 406300"), want: "3/2" },
    { name: "MP_REACH_NLRI twice", bytes: message(2, "0000 000c 800f03000101 800f03000101"), want: "3/1" },
    { name: "a next hop of 5 octets", bytes: message(2, "0000 000d 800e0a 0001 01 05 0102030405 00"), want: "3/9" },
    { name: "a ROUTE-REFRESH that is too long", bytes: message(5, "0001 00 01 00"), want: "7/1" },
  ];
  test.each(cases)("refuses $name with $want", ({ bytes, want }) => {
    expect(readAll(bytes)).toEqual([want]);
  });

  const prefix = "08 0a";
  const treated: { name: string; attributes: string }[] = [
    { name: "no ORIGIN", attributes: "40020602010000fde8 400304c0000201" },
    { name: "ORIGIN 3", attributes: "40010103 40020602010000fde8 400304c0000201" },
    { name: "ORIGIN that says it is optional", attributes: "c0010100 40020602010000fde8 400304c0000201" },
    { name: "no AS_PATH", attributes: "40010100 400304c0000201" },
    { name: "an AS_PATH that ends early", attributes: "40010100 40020602020000fde8 400304c0000201" },
    { name: "no NEXT_HOP", attributes: "40010100 40020602010000fde8" },
    { name: "a NEXT_HOP of 3 octets", attributes: "40010100 40020602010000fde8 400303c00002" },
    { name: "communities of 5 octets", attributes: "40010100 40020602010000fde8 400304c0000201 c008050102030405" },
    { name: "an attribute longer than all", attributes: "40010100 40020602010000fde8 400304c0000201 c008ff00" },
  ];
  test.each(treated)("takes routes with $name for withdrawn and goes on", ({ attributes }) => {
    const octets = attributes.replaceAll(" ", "");
    const length = (octets.length / 2).toString(16).padStart(4, "0");
    const [read] = readAll(message(2, `0000 ${length} ${octets} ${prefix}`));
    expect(read).toMatchObject({ type: "update", update: { malformed: expect.any(String) } });
  });
});

describe("BgpFramer", () => {
  test("finds the same messages whatever the pieces", () => {
    fc.assert(
      fc.property(fc.array(bgpMessage, { maxLength: 5 }), fc.array(fc.integer({ min: 1, max: 500 })), (all, cuts) => {
        const stream = Buffer.concat(all.map((each) => encodeBgpMessage(each, WIDE)));
        const framer = new BgpFramer();
        framer.longest = BGP_MESSAGE_LENGTH.extended;
        const read: BgpMessage[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = cuts[i] ?? stream.length;
          framer.push(stream.subarray(at, at + size));
          at += size;
          for (let each = framer.next(); each; each = framer.next()) read.push(decodeBgpMessage(each, WIDE));
        }
        expect(read).toEqual(all);
      }),
      { numRuns: 200 },
    );
  });

  test("refuses a message longer than agreed", () => {
    const framer = new BgpFramer();
    framer.push(Uint8Array.of(...new Array(16).fill(0xff), 0x10, 0x01, 2));
    expect(() => framer.next()).toThrow(BgpRefusal);
    framer.longest = BGP_MESSAGE_LENGTH.extended;
    expect(framer.next()).toBeUndefined();
  });
});

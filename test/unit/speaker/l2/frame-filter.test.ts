import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { BpfInstruction } from "../../../../linux/mod.ts";
import {
  ArpOperation,
  addressFromBytes,
  addressToBytes,
  BROADCAST_MAC,
  EtherType,
  encodeArp,
  encodeEthernet,
  encodeNdp,
  parseAddress,
} from "../../../../net/mod.ts";
import { arpFilter, coverSpans, ndpFilter } from "../../../../speaker/l2/frame-filter.ts";

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const ipv4 = (value: number) => addressToBytes({ family: "ipv4", value: BigInt(value) });
const arp = (senderIp: number, targetIp: number, operation: ArpOperation = ArpOperation.Request) => {
  const packet = { operation, senderMac: MAC, senderIp: ipv4(senderIp), targetMac: MAC, targetIp: ipv4(targetIp) };
  return encodeEthernet({
    destination: BROADCAST_MAC,
    source: MAC,
    etherType: EtherType.Arp,
    payload: encodeArp(packet),
  });
};
const ndp = (target: Uint8Array, edit: (packet: Uint8Array) => void = () => {}) => {
  const source = addressToBytes(parseAddress("fe80::1"));
  const payload = encodeNdp({ kind: "solicitation", source, destination: source, target, sourceMac: MAC });
  edit(payload);
  return encodeEthernet({ destination: BROADCAST_MAC, source: MAC, etherType: EtherType.Ipv6, payload });
};

/** The part of classic BPF that the filters use; true when a frame passes. net/core/filter.c. */
function passes(program: readonly BpfInstruction[], bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let accumulator = 0;
  for (let at = 0; ; at++) {
    const { code, jt, jf, k } = program[at]!;
    const width = code === 0x20 ? 4 : 1;
    if ((code === 0x20 || code === 0x30) && k + width > bytes.length) return false;
    if (code === 0x20) accumulator = view.getUint32(k);
    else if (code === 0x30) accumulator = view.getUint8(k);
    else if (code === 0x15) at += accumulator === k ? jt : jf;
    else if (code === 0x35) at += accumulator >= k ? jt : jf;
    else if (code === 0x25) at += accumulator > k ? jt : jf;
    else return k !== 0;
  }
}

const uint32 = fc.nat({ max: 0xffffffff });

describe("arpFilter()", () => {
  test("passes what is about the addresses, and little else", () => {
    fc.assert(
      fc.property(fc.uniqueArray(uint32, { maxLength: 100 }), uint32, uint32, (addresses, other, another) => {
        const program = arpFilter(addresses);
        for (const { jt, jf } of program) expect(Math.max(jt, jf)).toBeLessThan(256);
        for (const address of addresses) {
          expect(passes(program, arp(other, address))).toBe(true);
          expect(passes(program, arp(address, other, ArpOperation.Reply))).toBe(true);
        }
        const few = addresses.slice(0, 24);
        const about = few.includes(other) || few.includes(another);
        expect(passes(arpFilter(few), arp(other, another))).toBe(about);
      }),
    );
  });

  test("of nothing passes nothing, and of anything no cut frame", () => {
    expect(passes(arpFilter([]), arp(1, 2))).toBe(false);
    expect(passes(arpFilter([2]), arp(1, 2).subarray(0, 41))).toBe(false);
  });
});

describe("ndpFilter()", () => {
  const target = addressToBytes(parseAddress("2001:db8::1:7"));
  const program = ndpFilter([0x10007, 5]);

  test("passes solicitations and advertisements about the addresses from this link", () => {
    expect(passes(program, ndp(target))).toBe(true);
    expect(
      passes(
        program,
        ndp(target, (packet) => packet.set([136], 40)),
      ),
    ).toBe(true);
    expect(passes(program, ndp(addressToBytes(parseAddress("2001:db8::1:8"))))).toBe(false);
    expect(passes(ndpFilter([]), ndp(target))).toBe(false);
  });

  test.each([
    ["another protocol", 6, 6],
    ["a packet from afar", 7, 254],
    ["a router advertisement", 40, 134],
    ["an echo request", 40, 128],
  ])("drops %s", (_, offset, value) => {
    expect(
      passes(
        program,
        ndp(target, (packet) => packet.set([value], offset)),
      ),
    ).toBe(false);
  });
});

describe("coverSpans()", () => {
  test("covers all values with no more spans than allowed, leaving out the widest gaps", () => {
    expect(coverSpans([1, 2, 3, 10, 11, 100], 24)).toEqual([
      { first: 1, last: 3 },
      { first: 10, last: 11 },
      { first: 100, last: 100 },
    ]);
    expect(coverSpans([1, 2, 3, 10, 11, 100], 2)).toEqual([
      { first: 1, last: 11 },
      { first: 100, last: 100 },
    ]);
    expect(coverSpans([], 2)).toEqual([]);
    expect(addressFromBytes(ipv4(0xffffffff)).value).toBe(0xffffffffn);
  });
});

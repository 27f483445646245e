import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ALL_NODES,
  addressToBytes,
  decodeNdp,
  encodeNdp,
  multicastMac,
  type NdpPacket,
  parseAddress,
  printMac,
  solicitedNodeGroup,
} from "../../../net/mod.ts";

const bytes = (text: string) => addressToBytes(parseAddress(text));
const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const target = bytes("2001:db8::1:7");
const group = solicitedNodeGroup(target);
const solicitation: NdpPacket = {
  kind: "solicitation",
  source: bytes("fe80::1"),
  destination: group,
  target,
  sourceMac: MAC,
};
const probe: NdpPacket = { kind: "solicitation", source: bytes("::"), destination: group, target };
const advertisement: NdpPacket = {
  kind: "advertisement",
  source: bytes("fe80::2"),
  destination: bytes("fe80::1"),
  target,
  solicited: true,
  override: true,
  targetMac: MAC,
};

describe("solicitedNodeGroup() and multicastMac()", () => {
  test("follow RFC 4291 and RFC 2464", () => {
    expect(solicitedNodeGroup(bytes("4037::1:800:200e:8c6c"))).toEqual(bytes("ff02::1:ff0e:8c6c"));
    expect(printMac(multicastMac(bytes("ff02::1:ff0e:8c6c")))).toBe("33:33:ff:0e:8c:6c");
    expect(printMac(multicastMac(ALL_NODES))).toBe("33:33:00:00:00:01");
  });
});

describe("encodeNdp()", () => {
  test("writes what tcpdump reads: header, flags, target, option, checksum", () => {
    const hex = Buffer.from(encodeNdp(advertisement)).toString("hex");
    expect(hex).toBe(
      [
        "60000000 0020 3a ff",
        "fe800000000000000000000000000002 fe800000000000000000000000000001",
        "88 00 e8dc 60000000 20010db8000000000000000000010007 02 01 020000000001",
      ]
        .join("")
        .replaceAll(" ", ""),
    );
  });
});

describe("decodeNdp()", () => {
  test.each([
    ["a solicitation", solicitation],
    ["a probe", probe],
    ["an advertisement", advertisement],
  ])("gives back %s, padded or not", (_, packet) => {
    expect(decodeNdp(encodeNdp(packet))).toEqual(packet);
    expect(decodeNdp(Uint8Array.of(...encodeNdp(packet), 0, 0, 0))).toEqual(packet);
  });

  const changed = (packet: NdpPacket, offset: number, value: number) => {
    const out = encodeNdp(packet);
    out[offset] = value;
    return mend(out);
  };
  /** Sets the checksum right, so that only the rule under test refuses the packet. */
  const mend = (packet: Uint8Array) => {
    packet.set([0, 0], 42);
    let sum = packet.length - 40 + 58;
    for (let i = 8; i < packet.length; i += 2) sum += (packet[i]! << 8) | packet[i + 1]!;
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    packet.set([(~sum & 0xffff) >>> 8, ~sum & 0xff], 42);
    return packet;
  };
  const damaged = encodeNdp(solicitation);
  damaged[60]! ^= 1;
  test.each([
    ["from another link", changed(solicitation, 7, 254)],
    ["with a wrong checksum", damaged],
    ["with a code", changed(solicitation, 41, 1)],
    ["of another protocol", changed(solicitation, 6, 17)],
    ["of IPv4", changed(solicitation, 0, 0x45)],
    ["of another type", changed(solicitation, 40, 134)],
    ["about a group", mend(encodeNdp({ ...solicitation, target: bytes("ff02::1") }))],
    ["with an option of no length", changed(solicitation, 65, 0)],
    ["with an option that is cut off", changed(solicitation, 65, 2)],
    ["that probes with a hardware address", encodeNdp({ ...probe, sourceMac: MAC } as NdpPacket)],
    ["that probes a single host", encodeNdp({ ...probe, destination: bytes("fe80::9") })],
    ["that answers a group", encodeNdp({ ...advertisement, destination: ALL_NODES })],
  ])("discards a packet %s", (_, packet) => {
    expect(decodeNdp(packet)).toBeUndefined();
  });

  test("discards every truncation", () => {
    const whole = encodeNdp(solicitation);
    for (let length = 0; length < whole.length; length++) expect(decodeNdp(whole.subarray(0, length))).toBeUndefined();
  });

  test("of 100,000 malformed packets is a packet or nothing, never an error", () => {
    const start = fc.constantFrom(...[solicitation, probe, advertisement].map((each) => encodeNdp(each)));
    const edits = fc.array(fc.tuple(fc.nat({ max: 71 }), fc.nat({ max: 255 })), { maxLength: 4 });
    fc.assert(
      fc.property(start, edits, fc.nat({ max: 72 }), (whole, changes, length) => {
        const packet = Uint8Array.from(whole);
        for (const [offset, value] of changes) packet[offset] = value;
        const read = decodeNdp(packet.subarray(0, length));
        if (read !== undefined) expect(read.target).toHaveLength(16);
      }),
      { numRuns: 100_000 },
    );
  }, 60_000);
});

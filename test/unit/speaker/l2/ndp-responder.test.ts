import { describe, expect, test } from "vitest";
import {
  ALL_NODES,
  addressToBytes,
  EtherType,
  encodeEthernet,
  encodeNdp,
  multicastMac,
  type NeighbourSolicitation,
  parseAddress,
  solicitedNodeGroup,
} from "../../../../net/mod.ts";
import { ndpReply, readNdp, unsolicitedNdp } from "../../../../speaker/l2/ndp-responder.ts";

const bytes = (text: string) => addressToBytes(parseAddress(text));
const OWN = Uint8Array.of(2, 0, 0, 0, 0, 1);
const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 2);
const target = bytes("2001:db8::1:7");
const asked: NeighbourSolicitation = {
  kind: "solicitation",
  source: bytes("fe80::2"),
  destination: solicitedNodeGroup(target),
  target,
  sourceMac: OTHER,
};
const frame = (destination = multicastMac(asked.destination), etherType: number = EtherType.Ipv6) =>
  encodeEthernet({ destination, source: OTHER, etherType, payload: encodeNdp(asked) });

describe("readNdp()", () => {
  test.each([
    ["to a group", frame(), true],
    ["to our own hardware address", frame(OWN), true],
    ["to another hardware address", frame(OTHER), false],
    ["of another EtherType", frame(OWN, 0x0800), false],
    ["of ten octets", frame().subarray(0, 10), false],
  ])("of a frame %s", (_, each, want) => {
    expect(readNdp(each, OWN)).toEqual(want ? { packet: asked, from: OTHER } : undefined);
  });
});

describe("ndpReply()", () => {
  test("tells the asker, solicited", () => {
    expect(ndpReply(asked, OWN)).toMatchObject({
      destination: asked.source,
      source: target,
      target,
      solicited: true,
      targetMac: OWN,
    });
  });

  test("tells everybody when the asker looks for duplicates", () => {
    const probe = { ...asked, source: bytes("::") };
    expect(ndpReply(probe, OWN)).toMatchObject({
      destination: ALL_NODES,
      solicited: false,
      override: true,
    });
  });
});

describe("unsolicitedNdp()", () => {
  test("tells everybody and overrides what they know", () => {
    const packet = unsolicitedNdp(target, OWN);
    expect(packet).toMatchObject({ destination: ALL_NODES, solicited: false, override: true, targetMac: OWN });
  });
});

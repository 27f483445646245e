import { describe, expect, test } from "vitest";
import {
  addressToBytes,
  encodeNdp,
  encodeRouterAdvertisement,
  parseAddress,
  readRouterAdvertisement,
} from "../../../net/mod.ts";

const bytes = (text: string) => addressToBytes(parseAddress(text));
const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const source = bytes("fe80::2");
const packet = encodeRouterAdvertisement(source, MAC);

describe("encodeRouterAdvertisement()", () => {
  test("tells all nodes of a router with no lifetime, and its hardware address", () => {
    expect(Buffer.from(packet).toString("hex")).toBe(
      [
        "60000000 0018 3a ff",
        "fe800000000000000000000000000002 ff020000000000000000000000000001",
        "86 00 7924 00000000 00000000 00000000 01 01 020000000001",
      ]
        .join("")
        .replaceAll(" ", ""),
    );
  });
});

describe("readRouterAdvertisement()", () => {
  test("gives who sent it, padded or not", () => {
    expect(readRouterAdvertisement(packet)).toEqual(source);
    expect(readRouterAdvertisement(Uint8Array.of(...packet, 0, 0))).toEqual(source);
  });

  /** Offsets and what is there instead, in turns. */
  const changed = (...edits: number[]) => {
    const out = packet.slice();
    for (let i = 0; i < edits.length; i += 2) out[edits[i]!] = edits[i + 1]!;
    return out;
  };
  const solicitation = encodeNdp({ kind: "solicitation", source, destination: source, target: source, sourceMac: MAC });
  test.each([
    ["from another link", changed(7, 254)],
    ["with a wrong checksum", changed(63, 9)],
    ["with a code", changed(41, 1, 43, 0x23)],
    ["from an address of wider scope", encodeRouterAdvertisement(bytes("2001:db8::1"), MAC)],
    ["of another type", solicitation],
    ["that is cut off", packet.subarray(0, 55)],
  ])("discards a packet %s", (_, each) => {
    expect(readRouterAdvertisement(each)).toBeUndefined();
  });
});

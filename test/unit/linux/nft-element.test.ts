import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IronbridgeError } from "../../../core/mod.ts";
import { type Attribute, encodeAttributes } from "../../../linux/netlink-message.ts";
import { decodeElements, layoutOf, type NftSetLayout } from "../../../linux/nft-element.ts";

/** Types of parts as libnftables numbers them. */
const [INTEGER, IPV4, IPV6, PROTO, SERVICE] = [4, 7, 8, 12, 13];
const VERDICT = 0xffff_ff00;

const concat = (...types: readonly number[]) => types.reduce((sum, type) => sum * 64 + type, 0);
const data = (...octets: readonly number[]): Attribute[] => [[1, Uint8Array.from(octets)]];
const element = (...attributes: readonly Attribute[]): Attribute => [1, attributes];
const verdict = (code: number, chain?: string): Attribute[] => {
  const codeOctets = new Uint8Array(4);
  new DataView(codeOctets.buffer).setInt32(0, code);
  return [[2, [[1, codeOctets], ...(chain === undefined ? [] : [[2, chain] as const])]]];
};
const message = (...elements: readonly Attribute[]) =>
  encodeAttributes([
    [1, "table"],
    [2, "set"],
    [3, elements],
  ]);

describe("decodeElements()", () => {
  const front = layoutOf(concat(IPV4!, PROTO!, SERVICE!), VERDICT);
  const slot = layoutOf(concat(IPV4!, SERVICE!, INTEGER!), concat(IPV4!, SERVICE!));
  const cases: { name: string; layout: NftSetLayout; elements: Attribute[]; want: [string, string][] }[] = [
    {
      name: "reads verdicts, and passes over attributes it does not know",
      layout: front,
      elements: [
        element([1, data(10, 96, 0, 1, 6, 0, 0, 0, 0, 80, 0, 0)], [2, verdict(-4, "chain")], [3, Uint8Array.of(0)]),
        element([1, data(10, 96, 0, 2, 17, 0, 0, 0, 1, 0, 0, 0)], [2, verdict(0)]),
        element([1, data(10, 96, 0, 2, 99, 0, 0, 0, 1, 0, 0, 0)], [2, verdict(-3, "c")]),
      ],
      want: [
        ["10.96.0.1 . tcp . 80", "goto chain"],
        ["10.96.0.2 . udp . 256", "drop"],
        ["10.96.0.2 . 99 . 256", "jump c"],
      ],
    },
    {
      name: "reads numbers the kernel makes in its own order",
      layout: slot,
      elements: [element([1, data(10, 96, 0, 1, 0, 80, 0, 0, 0, 128, 0, 0)], [2, data(10, 0, 0, 7, 31, 144, 0, 0)])],
      want: [["10.96.0.1 . 80 . 32768", "10.0.0.7 . 8080"]],
    },
    {
      name: "reads the element of a set, IPv6",
      layout: layoutOf(IPV6!, undefined),
      elements: [element([1, data(0xfd, ...Array.from({ length: 14 }, () => 0), 1)])],
      want: [["fd00::1", ""]],
    },
    { name: "finds nothing in a message without elements", layout: front, elements: [], want: [] },
  ];
  test.each(cases)("$name", ({ layout, elements, want }) => {
    expect(decodeElements(message(...elements), 0, layout)).toEqual(want);
  });

  test("ends on any octets, with elements or with an error of ours", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.boolean(), (bytes, isFront) => {
        try {
          decodeElements(message([1, bytes]), 0, isFront ? front : slot);
        } catch (error) {
          expect(error).toBeInstanceOf(IronbridgeError);
        }
      }),
    );
  });
});

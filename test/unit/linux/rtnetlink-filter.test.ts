import { describe, expect, test } from "vitest";
import type { NetlinkRequest } from "../../../linux/netlink-message.ts";
import {
  addClsact,
  addIngressFilter,
  isOwnFilter,
  listIngressFilters,
  removeIngressFilter,
} from "../../../linux/rtnetlink-filter.ts";

const PROGRAM = { fd: 4, close() {} };

/** Bytes that `tc` of iproute2 6.1 sends for the link of index 3, but for NLA_F_NESTED (80), which it leaves out. */
const SENT: { name: string; request: NetlinkRequest; type: number; flags: number; payload: string }[] = [
  {
    name: "addClsact() as `tc qdisc add dev v0 clsact`",
    request: addClsact(3),
    type: 0x24,
    flags: 0x600,
    payload: "00000000 03000000 0000ffff f1ffffff 00000000 0b000100 636c73616374 0000",
  },
  {
    name: "addIngressFilter() as `tc filter replace dev v0 ingress pref 50000 handle 1 protocol all bpf ... direct-action`",
    request: addIngressFilter(3, PROGRAM),
    type: 0x2c,
    flags: 0x400,
    payload:
      "00000000 03000000 01000000 f2ffffff 000350c3 08000100 62706600 24000280 " +
      "08000600 04000000 0f000700 69726f6e627269646765 00 00 08000800 01000000",
  },
  {
    name: "removeIngressFilter() as `tc filter del dev v0 ingress pref 50000 handle 1 protocol all bpf`",
    request: removeIngressFilter(3),
    type: 0x2d,
    flags: 0,
    payload: "00000000 03000000 01000000 f2ffffff 000350c3 08000100 62706600",
  },
  {
    name: "listIngressFilters() as `tc filter show dev v0 ingress`",
    request: listIngressFilters(3),
    type: 0x2e,
    flags: 0,
    payload: "00000000 03000000 00000000 f2ffffff 00000000",
  },
];
test.each(SENT)("$name", ({ request: { type, flags = 0, payload: sent }, payload, ...want }) => {
  expect({ type, flags, payload: Buffer.from(sent).toString("hex") }).toEqual({
    type: want.type,
    flags: want.flags,
    payload: payload.replaceAll(" ", ""),
  });
});

describe("isOwnFilter()", () => {
  /** As the kernel lists one: its name is ten octets long. */
  const listed = ({ handle = "01000000", info = "000350c3", kind = "62706600", name = "69726f6e627269646765" } = {}) =>
    `00000000 03000000 ${handle} f2ffffff ${info} 08000100 ${kind} 08000b00 00000000 ` +
    `38000200 0f000700 ${name} 00 00 08000b00 d6130000 0c000a00 7c85c77581178cdb 08000800 01000000 08000900 08000000`;
  const cases: { name: string; text: string; want: boolean }[] = [
    { name: "knows its own", text: listed(), want: true },
    {
      name: "passes by what all filters of a priority have in common",
      text: "00000000 03000000 00000000 f2ffffff 000350c3 08000100 62706600 08000b00 00000000",
      want: false,
    },
    { name: "passes by another handle", text: listed({ handle: "02000000" }), want: false },
    { name: "passes by another priority", text: listed({ info: "000300c0" }), want: false },
    { name: "passes by another kind", text: listed({ kind: "75333200" }), want: false },
    { name: "passes by another's name", text: listed({ name: "63696c5f66726f6d2d63" }), want: false },
  ];
  test.each(cases)("$name", ({ text, want }) => {
    const payload = Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
    expect(isOwnFilter({ type: 0x2c, flags: 2, sequence: 1, port: 1, payload })).toBe(want);
  });
});

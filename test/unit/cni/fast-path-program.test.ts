import { describe, expect, test } from "vitest";
import { fastPathProgram, findSymbols, SYMBOL_NAMES } from "../../../cni/fast-path-program.ts";
import { assemble, type KernelTypes } from "../../../linux/mod.ts";

const FUNCTIONS: Record<string, number> = { bpf_skb_ct_lookup: 11, bpf_ct_release: 12, bpf_ct_change_timeout: 13 };
const MEMBERS: Record<string, number> = {
  "nf_conn.status": 128,
  "nf_conn.proto": 200,
  "nf_conntrack_proto.tcp": 0,
  "ip_ct_tcp.state": 40,
};
const without = (missing: string): KernelTypes => ({
  functionId: (name) => (name === missing ? undefined : FUNCTIONS[name]),
  memberOffset: (type, name) => (`${type}.${name}` === missing ? undefined : MEMBERS[`${type}.${name}`]),
});
const SYMBOLS = { lookup: 11, release: 12, refresh: 13, status: 128, tcpState: 240 };
const MAPS = { ipv4: { pods: 3, ways: 4 }, ipv6: { pods: 5, ways: 6 } };

describe("findSymbols()", () => {
  test("finds functions, and the state of TCP inside of what holds it", () => {
    expect(findSymbols(without("nothing"))).toEqual(SYMBOLS);
  });

  test.each([...Object.keys(FUNCTIONS), ...Object.keys(MEMBERS)])("finds nothing in a kernel without %s", (missing) => {
    expect(findSymbols(without(missing))).toBeUndefined();
  });

  test("asks for no name that SYMBOL_NAMES lacks", () => {
    const types = Object.keys(MEMBERS).map((name) => name.split(".")[0]);
    for (const name of [...Object.keys(FUNCTIONS), ...types]) expect(SYMBOL_NAMES).toContain(name);
  });
});

describe.each(["pod", "node"] as const)("fastPathProgram() for what comes in by the link of a %s", (entrance) => {
  const bytes = Buffer.from(assemble(fastPathProgram(SYMBOLS, MAPS, entrance, 432_000_000)));
  const instructions = Array.from({ length: bytes.length / 8 }, (_, i) => bytes.subarray(i * 8, i * 8 + 8));
  const numbersOf = (code: number, registers: number) =>
    instructions.filter((each) => each[0] === code && each[1] === registers).map((each) => each.readInt32LE(4));

  test("asks the maps of each family; those of other nodes for pods only", () => {
    expect(numbersOf(0x18, 0x11)).toEqual(entrance === "pod" ? [3, 4, 5, 6] : [3, 5]);
  });

  test("gives back every connection that it looked up, on either way on", () => {
    const once = [11, 12, 13, 12]; // look up; release and pass; refresh, release and redirect
    expect(numbersOf(0x85, 0x20)).toEqual(Array.from({ length: entrance === "pod" ? 4 : 2 }, () => once).flat());
  });

  test("ends with the verdict to go on as if it were not there", () => {
    expect(bytes.subarray(-16).toString("hex")).toBe("b7000000ffffffff9500000000000000");
  });
});

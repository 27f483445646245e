import { describe, expect, test } from "vitest";
import * as ebpf from "../../../linux/mod.ts";

const hex = (items: readonly ebpf.EbpfItem[]) => Buffer.from(ebpf.assemble(items)).toString("hex");

describe("assemble()", () => {
  // Octets: code, both registers, offset (2), number (4). Names are in the notation of the kernel's verifier.
  const cases: { name: string; item: ebpf.EbpfItem; want: string }[] = [
    { name: "r6 = r1", item: ebpf.move(6, { register: 1 }), want: "bf16000000000000" },
    { name: "r0 = -1", item: ebpf.move(0, -1), want: "b7000000ffffffff" },
    { name: "r2 += -40", item: ebpf.add(2, -40), want: "07020000d8ffffff" },
    { name: "r1 &= 255", item: ebpf.and(1, 255), want: "57010000ff000000" },
    { name: "r5 = *(u8 *)(r2 + 14)", item: ebpf.load("u8", 5, 2, 14), want: "71250e0000000000" },
    { name: "r5 = *(u16 *)(r2 + 20)", item: ebpf.load("u16", 5, 2, 20), want: "6925140000000000" },
    { name: "r2 = *(u32 *)(r6 + 76)", item: ebpf.load("u32", 2, 6, 76), want: "61624c0000000000" },
    { name: "r1 = *(u64 *)(r8 + 128)", item: ebpf.load("u64", 1, 8, 128), want: "7981800000000000" },
    {
      name: "*(u32 *)(r10 - 16) = r5",
      item: ebpf.store("u32", 10, -16, { register: 5 }),
      want: "635af0ff00000000",
    },
    { name: "*(u32 *)(r10 - 56) = -1", item: ebpf.store("u32", 10, -56, -1), want: "620ac8ffffffffff" },
    { name: "call 155", item: ebpf.call(155), want: "850000009b000000" },
    { name: "a call of the kernel's function 65669", item: ebpf.callKernel(65669), want: "8520000085000100" },
    { name: "exit", item: ebpf.exit(), want: "9500000000000000" },
  ];
  test.each(cases)("encodes $name", ({ item, want }) => {
    expect(hex([item])).toBe(want);
  });

  test("encodes a map as two instructions", () => {
    expect(hex(ebpf.loadMap(1, 21))).toBe("18110000150000000000000000000000");
  });

  test.each([
    { condition: "==", right: 8, want: "1502010008000000" },
    { condition: "!=", right: 8, want: "5502010008000000" },
    { condition: "any of", right: 7, want: "4502010007000000" },
    { condition: ">", right: { register: 3 }, want: "2d32010000000000" },
  ] as const)("counts a jump if $condition from the instruction after it", ({ condition, right, want }) => {
    const program = [ebpf.jumpIf(2, condition, right, "end"), ebpf.exit(), ebpf.label("end"), ebpf.exit()];
    expect(hex(program).slice(0, 16)).toBe(want);
  });

  test("encodes a jump in any case", () => {
    expect(hex([ebpf.jump("end"), ebpf.label("end"), ebpf.exit()]).slice(0, 16)).toBe("0500000000000000");
  });

  test("refuses a jump to no label, a jump back, and a label twice", () => {
    expect(() => hex([ebpf.label("a"), ebpf.exit(), ebpf.label("a")])).toThrow('two labels "a"');
    expect(() => hex([ebpf.jump("nowhere")])).toThrow('no label "nowhere"');
    expect(() => hex([ebpf.label("start"), ebpf.jump("start")])).toThrow('no label "start"');
  });
});

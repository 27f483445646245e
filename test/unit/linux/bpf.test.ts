import { expect, test } from "vitest";
import { encodeFilter } from "../../../linux/bpf.ts";

test("encodeFilter() writes code, jumps and constant in host order", () => {
  const filter = [
    { code: 0x28, jt: 0, jf: 0, k: 12 },
    { code: 0x15, jt: 1, jf: 2, k: 0xffff_ffff },
  ];
  expect([...encodeFilter(filter)]).toEqual([0x28, 0, 0, 0, 12, 0, 0, 0, 0x15, 0, 1, 2, 255, 255, 255, 255]);
});

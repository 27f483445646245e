import { describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import { readKernelTypes } from "../../../linux/mod.ts";

interface Type {
  readonly name: string;
  readonly kind: number;
  readonly members?: number;
  /** 32 bits each; a text stands for where it lies among the texts. */
  readonly rest?: readonly (number | string)[];
}

/** As include/uapi/linux/btf.h has it: a header, types, texts. */
function encode(types: readonly Type[], magic = 0xeb9f): Uint8Array {
  const names = [
    "",
    ...types.flatMap(({ name, rest = [] }) => [name, ...rest.filter((item) => typeof item === "string")]),
  ];
  const texts = Buffer.from(names.map((name) => `${name}\0`).join(""));
  const place = (name: string) => (name === "" ? 0 : texts.indexOf(`\0${name}\0`) + 1);
  const words = types.flatMap(({ name, kind, members = 0, rest = [] }) => [
    place(name),
    (kind << 24) | members,
    0,
    ...rest.map((item) => (typeof item === "string" ? place(item) : item)),
  ]);
  const header = [magic | (1 << 16), 24, 0, words.length * 4, words.length * 4, texts.length];
  return Buffer.concat([Buffer.from(Uint32Array.from([...header, ...words]).buffer), texts]);
}

const [INT, STRUCT, ENUM, FUNCTION, PROTOTYPE, ENUM64] = [1, 4, 6, 12, 13, 19];
const TYPES: readonly Type[] = [
  { name: "int", kind: INT, rest: [0] },
  { name: "color", kind: ENUM, members: 2, rest: [1, 0, 2, 1] },
  { name: "", kind: PROTOTYPE, members: 1, rest: [0, 1] },
  { name: "wide", kind: ENUM64, members: 1, rest: [1, 0, 0] },
  { name: "lookup_all", kind: FUNCTION },
  { name: "lookup", kind: FUNCTION },
  { name: "connection", kind: STRUCT, members: 2, rest: ["mark", 1, 0, "status", 1, 8 * 128] },
];

describe("readKernelTypes()", () => {
  const types = readKernelTypes(encode(TYPES), ["lookup", "connection", "int"]);

  test("numbers functions from 1 in the order of all types, and takes whole names only", () => {
    expect(types.functionId("lookup")).toBe(6);
    expect(types.functionId("lookup_all")).toBeUndefined(); // not asked for
    expect(types.functionId("int")).toBeUndefined(); // not a function
  });

  test("gives the place of a member in octets", () => {
    expect(types.memberOffset("connection", "status")).toBe(128);
    expect(types.memberOffset("connection", "stat")).toBeUndefined();
    expect(types.memberOffset("other", "status")).toBeUndefined();
  });

  test.each([
    { name: "another magic number", bytes: encode(TYPES, 0x9feb) },
    { name: "too few octets", bytes: new Uint8Array(23) },
    { name: "a kind of type of a later kernel", bytes: encode([{ name: "new", kind: 25 }]) },
  ])("refuses $name", ({ bytes }) => {
    const refusal = expect.toSatisfy((error: unknown) => hasCode(error, "IB_KERNEL_REFUSED"));
    expect(() => readKernelTypes(bytes, [])).toThrowError(refusal);
  });
});

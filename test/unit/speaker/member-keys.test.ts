import { describe, expect, test } from "vitest";
import { memberKeys } from "../../../speaker/member-keys.ts";

const text = (value: string) => new TextEncoder().encode(value);
const [OLD, NEXT] = ["0123456789abcdef", "fedcba9876543210"];

describe("memberKeys()", () => {
  test("reads one key from each line", () => {
    expect(memberKeys(text(OLD))).toEqual([text(OLD)]);
    expect(memberKeys(text(`${OLD}\n`))).toEqual([text(OLD)]);
    expect(memberKeys(text(`${OLD}\n\n${NEXT}\n`))).toEqual([text(OLD), text(NEXT)]);
    expect(memberKeys(text([OLD, NEXT, OLD, NEXT].join("\n")))).toHaveLength(3);
  });

  test("never takes a piece of a random secret for a key", () => {
    const secret = new Uint8Array(32).fill(7);
    secret[16] = 10;
    expect(memberKeys(secret)).toEqual([secret]);
    expect(memberKeys(new Uint8Array(0))).toHaveLength(1);
  });
});

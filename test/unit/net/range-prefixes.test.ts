import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseRange, prefixRange, printPrefix, rangePrefixes } from "../../../net/mod.ts";

describe("rangePrefixes()", () => {
  const cases: { range: string; prefixes: string[] }[] = [
    { range: "10.0.0.0-10.0.0.255", prefixes: ["10.0.0.0/24"] },
    { range: "10.0.0.1-10.0.0.8", prefixes: ["10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/30", "10.0.0.8/32"] },
    { range: "0.0.0.0/0", prefixes: ["0.0.0.0/0"] },
    { range: "::/0", prefixes: ["::/0"] },
    { range: "fc00::-fc00::2", prefixes: ["fc00::/127", "fc00::2/128"] },
    { range: "255.255.255.255/32", prefixes: ["255.255.255.255/32"] },
  ];
  test.each(cases)("$range", ({ range, prefixes }) => {
    expect(rangePrefixes(parseRange(range)).map(printPrefix)).toEqual(prefixes);
  });

  test("gives prefixes that follow each other from the first address to the last", () => {
    const ends = fc.tuple(fc.bigInt(0n, 0xffff_ffffn), fc.bigInt(0n, 0xffff_ffffn));
    fc.assert(
      fc.property(ends, ([a, b]) => {
        const [first, last] = a < b ? [a, b] : [b, a];
        const parts = rangePrefixes({ family: "ipv4", first, last }).map(prefixRange);
        expect(parts[0]?.first).toBe(first);
        expect(parts.at(-1)?.last).toBe(last);
        for (const [i, part] of parts.slice(1).entries()) expect(part.first).toBe(parts[i]!.last + 1n);
        expect(parts.length).toBeLessThanOrEqual(62);
      }),
    );
  });
});

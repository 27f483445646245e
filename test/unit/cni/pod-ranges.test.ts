import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planSlices, rangeClaims, restOf } from "../../../cni/pod-ranges.ts";
import { parsePrefix, prefixOf, prefixRange, printPrefix, printRange } from "../../../net/mod.ts";

const NODE = ["10.244.1.0/24", "fd00:244:1::/64"];

/** @param claims Annotations by Namespace, the oldest first. */
function plan(claims: Readonly<Record<string, string>>, prefixes = NODE) {
  const listed = Object.entries(claims).map(([namespace, value]) => ({ namespace, value }));
  const { slices, problems } = planSlices(listed, prefixes.map(parsePrefix));
  return {
    slices: Object.fromEntries(slices.map(({ prefix, namespaces }) => [printPrefix(prefix), namespaces])),
    problems: Object.fromEntries(problems),
  };
}

describe("planSlices()", () => {
  const cases = [
    { name: "a part of each family", value: "0.0.0.64/26,::40/122", slices: ["10.244.1.64/26", "fd00:244:1::40/122"] },
    {
      name: "several of one family, with spaces",
      value: "0.0.0.64/26 , 0.0.0.192/27",
      slices: ["10.244.1.64/26", "10.244.1.192/27"],
    },
    { name: "one twice", value: "0.0.0.64/26,0.0.0.64/26", slices: ["10.244.1.64/26"] },
    { name: "bits behind the length", value: "0.0.0.65/26", slices: ["10.244.1.64/26"] },
    { name: "far into a large prefix", value: "::1:0:0/96", slices: ["fd00:244:1::1:0:0/96"] },
    { name: "nothing", value: " , ", slices: [] },
  ];
  test.each(cases)("reads $name", ({ value, slices }) => {
    const wanted = Object.fromEntries(slices.map((slice) => [slice, ["shop"]]));
    expect(plan({ shop: value })).toEqual({ slices: wanted, problems: {} });
  });

  test("leaves a family out that the node has no prefix of", () => {
    const only = ["10.244.1.0/24"];
    expect(plan({ shop: "::40/122" }, only)).toEqual({ slices: {}, problems: {} });
    expect(plan({ shop: "::40/122,0.0.0.64/26" }, only).slices).toEqual({ "10.244.1.64/26": ["shop"] });
  });

  test("places the part in each node's own prefix", () => {
    expect(plan({ shop: "0.0.2.0/24" }, ["10.8.32.0/19"]).slices).toEqual({ "10.8.34.0/24": ["shop"] });
    expect(plan({ shop: "0.0.2.0/24" }, ["10.8.64.0/19"]).slices).toEqual({ "10.8.66.0/24": ["shop"] });
  });

  const mistakes = [
    { value: "banana", says: '"banana" is no host part such as 0.0.0.64/26 or ::40/122' },
    { value: "0.0.0.64", says: '"0.0.0.64" is no host part' },
    { value: "0.0.0.64/33", says: '"0.0.0.64/33" is no host part' },
    {
      value: "0.0.0.64/20",
      says: "0.0.0.64/20 is larger than the node's pod prefix 10.244.1.0/24; write a length of at least 25",
    },
    {
      value: "0.0.1.64/26",
      says: "0.0.1.64/26 does not lie in the node's pod prefix 10.244.1.0/24; write the host's bits only: 0.0.0.64/26",
    },
    { value: "10.244.1.64/26", says: "write the host's bits only: 0.0.0.64/26" },
    { value: "fd00:244:1::40/122", says: "write the host's bits only: ::40/122" },
    { value: "0.0.0.64/26,0.0.0.96/27", says: "0.0.0.96/27 overlaps 10.244.1.64/26, which Namespace shop has" },
  ];
  test.each(mistakes)("names what is wrong with $value, and the Namespace, and what to write", ({ value, says }) => {
    const { slices, problems } = plan({ bank: "0.0.0.192/26", shop: value });
    expect(Object.keys(problems)).toEqual(["shop"]);
    expect(problems.shop).toContain(`annotation ironbridge.io/pod-ranges "${value}" of Namespace shop: `);
    expect(problems.shop).toContain(says);
    expect(slices["10.244.1.192/26"]).toEqual(["bank"]);
  });

  test("names all that is wrong at once, and keeps others out of what is right", () => {
    const { slices, problems } = plan({ shop: "0.0.0.64/26,banana,0.0.0.0/8" });
    expect(slices).toEqual({ "10.244.1.64/26": ["shop"] });
    expect(problems.shop).toMatch(/"banana" is no host part.*; 0\.0\.0\.0\/8 is larger/);
  });

  test("does not let one claim or several together take everything", () => {
    const says = "0.0.0.0/24 leaves pods of other Namespaces no address of 10.244.1.0/24; write a smaller part";
    expect(plan({ shop: "0.0.0.0/24" })).toEqual({ slices: {}, problems: { shop: expect.stringContaining(says) } });
    const { slices, problems } = plan({ shop: "0.0.0.0/25", bank: "0.0.0.128/25" });
    expect(Object.keys(slices)).toEqual(["10.244.1.0/25"]);
    expect(problems.bank).toContain("0.0.0.128/25 leaves pods of other Namespaces no address");
    // What is left there is the broadcast.
    expect(plan({ shop: "0.0.0.0/30,0.0.0.4/31" }, ["10.0.0.0/29"]).problems).toEqual({});
    expect(plan({ shop: "0.0.0.0/30,0.0.0.4/31,0.0.0.6/32" }, ["10.0.0.0/29"]).problems.shop).toContain("0.0.0.6/32");
  });

  test("lets Namespaces share the same part; of two that overlap the first stands", () => {
    expect(plan({ shop: "0.0.0.64/26", bank: "0.0.0.64/26" })).toEqual({
      slices: { "10.244.1.64/26": ["shop", "bank"] },
      problems: {},
    });
    const { slices, problems } = plan({ shop: "0.0.0.64/26", bank: "0.0.0.0/25,0.0.0.128/26" });
    expect(slices).toEqual({ "10.244.1.64/26": ["shop"], "10.244.1.128/26": ["bank"] });
    expect(problems).toEqual({
      bank:
        'annotation ironbridge.io/pod-ranges "0.0.0.0/25,0.0.0.128/26" of Namespace bank: ' +
        "0.0.0.0/25 overlaps 10.244.1.64/26, which Namespace shop has; write the same part to share it, or another one",
    });
  });
});

test("rangeClaims() gives the older Namespace first, those of one time by name, and none without the annotation", () => {
  const namespace = (name: string, creationTimestamp: string, value?: string) => ({
    metadata: {
      name,
      creationTimestamp,
      annotations: value === undefined ? {} : { "ironbridge.io/pod-ranges": value },
    },
  });
  const claims = rangeClaims([
    namespace("c", "2026-02-01T00:00:00Z", "0.0.0.64/26"),
    namespace("b", "2026-02-01T00:00:00Z", ""),
    namespace("a", "2026-03-01T00:00:00Z", "::40/122"),
    namespace("plain", "2026-01-01T00:00:00Z"),
    { metadata: { name: "bare" } },
  ]);
  expect(claims.map(({ namespace: name, value }) => [name, value])).toEqual([
    ["b", ""],
    ["c", "0.0.0.64/26"],
    ["a", "::40/122"],
  ]);
});

describe("restOf()", () => {
  const cases = [
    { parts: [], rest: ["10.0.0.0-10.0.0.255"] },
    { parts: ["10.0.0.64/26"], rest: ["10.0.0.0-10.0.0.63", "10.0.0.128-10.0.0.255"] },
    { parts: ["10.0.0.128/25", "10.0.0.0/26"], rest: ["10.0.0.64-10.0.0.127"] },
    { parts: ["fd00::/64"], rest: ["10.0.0.0-10.0.0.255"] },
    { parts: ["10.0.0.0/24"], rest: [] },
  ];
  test.each(cases)("leaves $rest without $parts", ({ parts, rest }) => {
    expect(restOf(parsePrefix("10.0.0.0/24"), parts.map(parsePrefix)).map(printRange)).toEqual(rest);
  });

  test("has each address that is in no slice, once, and no other", () => {
    const claim = fc.record({ offset: fc.nat({ max: 255 }), length: fc.integer({ min: 24, max: 32 }) });
    const node = parsePrefix("10.0.0.0/24");
    fc.assert(
      fc.property(fc.array(claim, { maxLength: 12 }), (claims) => {
        const texts = claims.map(({ offset, length }) =>
          printPrefix(prefixOf({ family: "ipv4", value: BigInt(offset) }, length)),
        );
        const { slices } = planSlices([{ namespace: "shop", value: texts.join() }], [node]);
        const parts = slices.map(({ prefix }) => prefix);
        const runs = [...restOf(node, parts), ...parts.map(prefixRange)];
        const seen = runs.flatMap(({ first, last }) =>
          Array.from({ length: Number(last - first) + 1 }, (_, i) => first + BigInt(i)),
        );
        expect(seen.sort((a, b) => Number(a - b))).toEqual(
          Array.from({ length: 256 }, (_, i) => node.first + BigInt(i)),
        );
      }),
    );
  });
});

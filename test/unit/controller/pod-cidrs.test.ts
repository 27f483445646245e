import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decidePodCidrs, type PodCidrSettings, podCidrMistake } from "../../../controller/pod-cidrs.ts";
import type { V1Node } from "../../../kube/mod.ts";
import { type Prefix, parsePrefix, prefixRange, printPrefix, rangesOverlap } from "../../../net/mod.ts";

const DUAL = ["10.244.0.0/16", "fd00:244::/48"];

function settings(clusterCidrs: readonly string[], ipv4 = 24, ipv6 = 64): PodCidrSettings {
  return { clusterCidrs: clusterCidrs.map(parsePrefix), lengths: { ipv4, ipv6 } };
}

/** Nodes by name, with the prefixes they have. */
type Nodes = Readonly<Record<string, readonly string[]>>;

function nodesOf(nodes: Nodes): V1Node[] {
  return Object.entries(nodes).map(([name, podCIDRs]) => ({
    metadata: { name },
    spec: podCIDRs.length === 0 ? {} : { podCIDR: podCIDRs[0]!, podCIDRs: [...podCIDRs] },
  }));
}

function decide(nodes: Nodes, from: PodCidrSettings, promised: Nodes = {}) {
  const promises = new Map(Object.entries(promised).map(([name, texts]) => [name, texts.map(parsePrefix)]));
  const { given, refused } = decidePodCidrs(nodesOf(nodes), promises, from);
  const texts = Array.from(given, ([name, prefixes]): [string, string[]] => [name, prefixes.map(printPrefix)]);
  return { given: Object.fromEntries(texts), refused: Object.fromEntries(refused) };
}

describe("decidePodCidrs()", () => {
  const cases: { name: string; from: PodCidrSettings; nodes: Nodes; promised?: Nodes; given: Nodes }[] = [
    {
      name: "one block of each family, in the order of the cluster's prefixes",
      from: settings(DUAL.toReversed()),
      nodes: { b: [], a: [] },
      given: { a: ["fd00:244::/64", "10.244.0.0/24"], b: ["fd00:244:0:1::/64", "10.244.1.0/24"] },
    },
    {
      name: "the lowest that is free",
      from: settings(["10.244.0.0/16"]),
      nodes: { a: ["10.244.0.0/24"], b: ["10.244.2.0/24"], c: [], d: [], e: [] },
      given: { c: ["10.244.1.0/24"], d: ["10.244.3.0/24"], e: ["10.244.4.0/24"] },
    },
    {
      name: "nothing that meets a block of another size",
      from: settings(["10.244.0.0/16"]),
      nodes: { wide: ["10.244.0.0/22"], narrow: ["10.244.4.128/26"], new: [] },
      given: { new: ["10.244.5.0/24"] },
    },
    {
      name: "nothing inside a block that holds others",
      from: settings(["10.244.0.0/16"]),
      nodes: { wide: ["10.244.0.0/20"], inside: ["10.244.1.0/24"], new: [] },
      given: { new: ["10.244.16.0/24"] },
    },
    {
      name: "nothing promised to a node that does not show it yet, and to that node nothing else",
      from: settings(["10.244.0.0/16"]),
      nodes: { a: [], b: [] },
      promised: { b: ["10.244.0.0/24"] },
      given: { a: ["10.244.1.0/24"] },
    },
    {
      name: "no second family to a node that has one",
      from: settings(DUAL),
      nodes: { old: ["10.244.0.0/24"], foreign: ["172.16.0.0/24"] },
      given: {},
    },
    {
      name: "blocks of the next prefix when one is full",
      from: settings(["10.0.0.0/25", "10.9.0.0/24"], 26),
      nodes: { a: [], b: [], c: [] },
      given: { a: ["10.0.0.0/26"], b: ["10.0.0.64/26"], c: ["10.9.0.0/26"] },
    },
    {
      name: "a whole prefix of the cluster, and single addresses",
      from: settings(["10.0.0.0/31", "fd00::/64"], 32),
      nodes: { a: [], b: ["10.0.0.0/32"] },
      given: { a: ["10.0.0.1/32", "fd00::/64"] },
    },
  ];
  test.each(cases)("gives $name", ({ from, nodes, promised = {}, given }) => {
    expect(decide(nodes, from, promised)).toEqual({ given, refused: {} });
  });

  test("reads the only prefix of a node that has podCIDR alone", () => {
    const nodes: V1Node[] = [
      { metadata: { name: "old" }, spec: { podCIDR: "10.244.0.0/24" } },
      ...nodesOf({ new: [] }),
    ];
    const { given } = decidePodCidrs(nodes, new Map(), settings(["10.244.0.0/16"]));
    expect(given).toEqual(new Map([["new", [parsePrefix("10.244.1.0/24")]]]));
  });

  test("gives both families or none, and says which one is full", () => {
    const { given, refused } = decide({ a: [], b: [], c: [] }, settings(["10.0.0.0/16", "fd00::/63"]));
    expect(given).toEqual({ a: ["10.0.0.0/24", "fd00::/64"], b: ["10.0.1.0/24", "fd00:0:0:1::/64"] });
    expect(refused).toEqual({
      c: "The node gets no pod prefix: no free /64 is left in fd00::/63; enlarge --cluster-cidr or remove Nodes that are gone",
    });
    const both = decide({ a: ["10.0.0.0/24", "fd00::/64"], b: [] }, settings(["10.0.0.0/24", "fd00::/64"]));
    expect(both.refused.b).toContain("no free /24 is left in 10.0.0.0/24, and no free /64 is left in fd00::/64");
  });

  test("never changes what is given, never gives one address twice, and stays in the cluster's prefixes", () => {
    const block = (clusterBits: number, most: number) =>
      fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: clusterBits, max: most }));
    const shown = fc.option(
      block(20, 32).map(([n, length]) => printPrefix(parsePrefix(`10.244.${n % 16}.${n}/${length}`))),
      { nil: undefined },
    );
    const nodes = fc.array(shown, { maxLength: 24 });
    const sizes = fc.tuple(fc.integer({ min: 20, max: 28 }), fc.integer({ min: 60, max: 66 }));
    fc.assert(
      fc.property(nodes, sizes, (have, [ipv4, ipv6]) => {
        const from = settings(["10.244.0.0/20", "fd00:244::/60"], ipv4, ipv6);
        const before = have.map((text, i): [string, string[]] => [`n${i}`, text === undefined ? [] : [text]]);
        const { given, refused } = decide(Object.fromEntries(before), from);
        const without = before.filter(([, texts]) => texts.length === 0).map(([name]) => name);
        expect([...Object.keys(given), ...Object.keys(refused)].sort()).toEqual(without.sort());
        const mine = Object.values(given).flat().map(parsePrefix);
        const others = before.flatMap(([, texts]) => texts).map(parsePrefix);
        for (const [i, prefix] of mine.entries()) {
          expect([...mine.slice(i + 1), ...others].find((other) => meets(prefix, other))).toBeUndefined();
          expect(from.clusterCidrs.some((cidr) => meets(cidr, prefix) && prefix.length >= cidr.length)).toBe(true);
        }
        for (const prefixes of Object.values(given)) {
          expect(prefixes.map((text) => parsePrefix(text).length)).toEqual([ipv4, ipv6]);
        }
        // A second look at the outcome changes nothing.
        const after = Object.fromEntries(before.map(([name, texts]) => [name, given[name] ?? texts]));
        expect(decide(after, from)).toEqual({ given: {}, refused });
      }),
    );
  });
});

function meets(a: Prefix, b: Prefix): boolean {
  return rangesOverlap(prefixRange(a), prefixRange(b));
}

describe("podCidrMistake()", () => {
  test.each([
    [settings([]), "--allocate-node-cidrs needs --cluster-cidr"],
    [
      settings(["10.0.0.0/25"]),
      "--node-cidr-mask-size-ipv4 is 24, which is more than all of --cluster-cidr 10.0.0.0/25",
    ],
    [settings(["10.0.0.0/16", "fd00::/80"]), "--node-cidr-mask-size-ipv6 is 64"],
  ])("%# names what can't work", (from, message) => {
    expect(podCidrMistake(from)).toContain(message);
  });

  test("finds nothing wrong with a prefix that is just large enough", () => {
    expect(podCidrMistake(settings(["10.0.0.0/24", "fd00::/64"]))).toBeUndefined();
  });
});

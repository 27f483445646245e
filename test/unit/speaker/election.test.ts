import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bestRanked, type Contender, electHolder, electStandIn } from "../../../speaker/election.ts";

const contender = (node: string, more: Partial<Contender> = {}): Contender => ({
  node,
  score: 0,
  stance: "ready",
  reach: "alive",
  ...more,
});

/** Everybody in the order in which they would be elected. */
function ranking(nodes: readonly string[], address: string): string[] {
  const best = bestRanked(
    nodes.map((node) => contender(node)),
    address,
  )?.node;
  if (best === undefined) return [];
  const rest = nodes.filter((node) => node !== best);
  return [best, ...ranking(rest, address)];
}

describe("bestRanked()", () => {
  const [plane, worker, worker2] = ["kind-control-plane", "kind-worker", "kind-worker2"];
  test.each([
    ["192.168.10.0", [worker2, worker, plane]],
    ["192.168.10.1", [worker2, worker, plane]],
    ["10.20.30.1", [plane, worker2, worker]],
    ["1.2.3.4", [plane, worker, worker2]],
    ["1000::1", [worker2, plane, worker]],
    ["fc00:f853:ccd:e799::", [worker, worker2, plane]],
  ])("ranks %s in MetalLB's order", (address, want) => {
    expect(ranking([plane, worker, worker2], address)).toEqual(want);
    expect(ranking([worker, worker2, plane], address)).toEqual(want);
  });

  test("puts the score before the order", () => {
    const nodes = [contender("a", { score: 50 }), contender("b", { score: 110 }), contender("c", { score: 109 })];
    expect(bestRanked(nodes, "192.0.2.1")?.node).toBe("b");
  });

  test("of nobody is nobody", () => {
    expect(bestRanked([], "192.0.2.1")).toBeUndefined();
  });

  const nodes = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 2, maxLength: 8 });
  const address = fc.ipV4();
  test("does not change when one that is not first goes away", () => {
    fc.assert(
      fc.property(nodes, address, fc.nat(), (names, ip, pick) => {
        const all = names.map((node) => contender(node));
        const best = bestRanked(all, ip)!;
        const losers = all.filter((each) => each !== best);
        const without = all.filter((each) => each !== losers[pick % losers.length]);
        expect(bestRanked(without, ip)).toBe(best);
      }),
    );
  });

  test("does not depend on the order of the list", () => {
    fc.assert(
      fc.property(nodes, address, (names, ip) => {
        const all = names.map((node) => contender(node));
        expect(bestRanked([...all].reverse(), ip)).toBe(bestRanked(all, ip));
      }),
    );
  });
});

describe("electHolder()", () => {
  // For 192.168.10.0 the order of these is worker2, worker, control-plane.
  const [first, second, third] = ["kind-worker2", "kind-worker", "kind-control-plane"];
  const cases: { name: string; contenders: Contender[]; want: string | undefined }[] = [
    { name: "nobody when there is nobody", contenders: [], want: undefined },
    {
      name: "the best ranked of those that are ready",
      contenders: [contender(third), contender(second)],
      want: second,
    },
    {
      name: "the holder, though others rank and score better",
      contenders: [contender(first, { score: 100 }), contender(third, { stance: "holds" })],
      want: third,
    },
    {
      name: "another one when the holder hands over",
      contenders: [contender(first, { stance: "handsOver" }), contender(third)],
      want: third,
    },
    {
      name: "nobody when the only one hands over",
      contenders: [contender(first, { stance: "handsOver" })],
      want: undefined,
    },
    {
      name: "the better ranked of two holders",
      contenders: [contender(second, { stance: "holds" }), contender(first, { stance: "holds" })],
      want: first,
    },
    {
      name: "of two holders the one that can't hear the other",
      contenders: [contender(first, { stance: "holds" }), contender(third, { stance: "holds", reach: "deaf" })],
      want: third,
    },
    {
      name: "of two holders the one that is surely there",
      contenders: [contender(first, { stance: "holds", reach: "returning" }), contender(third, { stance: "holds" })],
      want: third,
    },
    {
      name: "the holder that is restarting",
      contenders: [contender(first), contender(third, { stance: "holds", reach: "restarting" })],
      want: third,
    },
    {
      name: "a holder that is there rather than one that is restarting",
      contenders: [contender(first, { stance: "holds", reach: "restarting" }), contender(third, { stance: "holds" })],
      want: third,
    },
    {
      name: "never one that is ready but deaf or returning",
      contenders: [contender(first, { reach: "deaf" }), contender(second, { reach: "returning" }), contender(third)],
      want: third,
    },
  ];
  test.each(cases)("names $name", ({ contenders, want }) => {
    expect(electHolder(contenders, "192.168.10.0")?.node).toBe(want);
  });
});

describe("electStandIn()", () => {
  test("names the best of those that could take the address", () => {
    const contenders = [
      contender("kind-worker2", { stance: "holds", reach: "restarting" }),
      contender("kind-worker"),
      contender("kind-control-plane", { stance: "standsIn" }),
    ];
    expect(electStandIn(contenders, "192.168.10.0")?.node).toBe("kind-worker");
  });
});

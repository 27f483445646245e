import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Candidate, maglevTable, TABLE_SIZE } from "../../../proxy/maglev.ts";

const candidate = (n: number, weight = 1): Candidate => ({ name: `10.244.${n >> 8}.${n & 255} . 8080`, weight });
const candidates = (count: number) => Array.from({ length: count }, (_, n) => candidate(n));
/** The names that hold the places, one for each. */
const holders = (list: readonly Candidate[], size?: number) => maglevTable(list, size).map((i) => list[i]!.name);

describe("maglevTable()", () => {
  test("gives each its share, evenly to 2 %", () => {
    for (const count of [1, 2, 5, 10, 40, 100]) {
      const places = maglevTable(candidates(count));
      const counts = candidates(count).map((_, i) => places.filter((winner) => winner === i).length);
      expect(Math.max(...counts) / (TABLE_SIZE / count)).toBeLessThan(1.02);
    }
  });

  test("gives shares by weight, and nothing to weight 0", () => {
    const list = [candidate(1, 3), candidate(2, 1), candidate(3, 0)];
    const places = maglevTable(list, 1021);
    const counts = list.map((_, i) => places.filter((winner) => winner === i).length);
    expect(counts[0]! / counts[1]!).toBeCloseTo(3, 1);
    expect(counts[2]).toBe(0);
  });

  test("makes the same table whatever the order of the candidates", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(candidates(12), { minLength: 12 }), (shuffled) => {
        expect(holders(shuffled, 1021)).toEqual(holders(candidates(12), 1021));
      }),
      { numRuns: 30 },
    );
  });

  test("moves at most 1/N + 2 % of the places when one of N leaves", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 65_535 }), { minLength: 2, maxLength: 40 }),
        fc.nat(),
        (numbers, pick) => {
          const before = numbers.map((n) => candidate(n));
          const after = before.filter((_, i) => i !== pick % before.length);
          const [old, now] = [holders(before), holders(after)];
          const moved = old.filter((name, place) => name !== now[place]).length / TABLE_SIZE;
          expect(moved).toBeLessThanOrEqual(1 / before.length + 0.02);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("is empty without candidates", () => {
    expect(maglevTable([], 251)).toEqual([]);
  });
});

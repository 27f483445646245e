import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Claims } from "../../../../speaker/claim.ts";
import type { Contender } from "../../../../speaker/election.ts";
import { SpreadBook } from "../../../../speaker/l2/spread.ts";

const contender = (node: string): Contender => ({ node, score: 0, stance: "ready", reach: "alive" });
const ready = (count: number): Claims =>
  new Map(Array.from({ length: count }, (_, i) => [`10.0.0.${i}`, { stance: "ready", score: 0 }]));

describe("SpreadBook", () => {
  test("gives nobody more than a quarter above an even share", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 200 }), (members, addresses) => {
        const names = Array.from({ length: members }, (_, i) => `node${i}`);
        const book = new SpreadBook(new Map(names.map((name) => [name, ready(addresses)])));
        const loads = new Map<string, number>();
        for (let i = 0; i < addresses; i++) {
          const { node } = book.give(names.map(contender), `10.0.0.${i}`)!;
          loads.set(node, (loads.get(node) ?? 0) + 1);
        }
        expect(Math.max(...loads.values())).toBeLessThanOrEqual(Math.ceil((1.25 * addresses) / members));
      }),
    );
  });

  test("gives both addresses of a Service to one node, and nothing to nobody", () => {
    const book = new SpreadBook(
      new Map([
        ["a", ready(2)],
        ["b", ready(2)],
      ]),
    );
    const free = [contender("a"), contender("b")];
    expect(book.give(free, "10.0.0.1")).toBe(book.give(free, "10.0.0.1"));
    expect(book.give([], "10.0.0.1")).toBeUndefined();
  });

  test("gives to the only one there is, whatever it has", () => {
    const book = new SpreadBook(
      new Map([
        ["a", ready(1)],
        ["b", ready(1)],
      ]),
    );
    for (const address of ["10.0.0.1", "10.0.0.2", "10.0.0.3"])
      expect(book.give([contender("a")], address)?.node).toBe("a");
  });
});

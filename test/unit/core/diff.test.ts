import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { diffMaps, isEmptyDiff } from "../../../core/mod.ts";

const maps = fc.dictionary(fc.string({ maxLength: 2 }), fc.nat(3)).map((object) => new Map(Object.entries(object)));

describe("diffMaps()", () => {
  test("turns any map into any other", () => {
    fc.assert(
      fc.property(maps, maps, (current, desired) => {
        const { set, remove } = diffMaps(current, desired, String);
        const result = new Map(current);
        for (const key of remove) result.delete(key);
        for (const [key, value] of set) result.set(key, value);
        expect(result).toEqual(desired);
      }),
    );
  });

  test("sets nothing that is the same already", () => {
    fc.assert(fc.property(maps, (map) => isEmptyDiff(diffMaps(map, new Map(map), String))));
  });
});

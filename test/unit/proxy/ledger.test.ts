import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Item, Ledger } from "../../../proxy/ledger.ts";

const sole = (key: string, value: string): Item => ({ object: "map", key, value, claim: "sole" });
const shared = (key: string): Item => ({ object: "set", key, value: "", claim: "shared" });

/** What is to be written, as "key: held -> wanted". */
function changesOf(ledger: Ledger, object: string): string[] {
  return ledger.changes(object).map(({ key, held = "-", wanted = "-" }) => `${key}: ${held} -> ${wanted}`);
}

function written(...items: readonly Item[]): Ledger {
  const ledger = new Ledger();
  ledger.replace({ key: "a", created: 1 }, items);
  ledger.markWritten();
  return ledger;
}

describe("Ledger", () => {
  test("read() finds what is missing, what is different and what nobody wants", () => {
    const ledger = written(sole("1", "x"), sole("2", "y"), sole("3", "z"));
    const reading = ledger.read("map");
    for (const [key, value] of [
      ["1", "x"],
      ["2", "other"],
      ["9", "stranger"],
    ] as const)
      reading.see(key, value);
    reading.end();
    expect(changesOf(ledger, "map").sort()).toEqual(["2: other -> y", "3: - -> z", "9: stranger -> -"]);
    expect(ledger.backlog).toBe(3);
    ledger.markWritten();
    expect([ledger.backlog, ledger.size("map"), changesOf(ledger, "map")]).toEqual([0, 3, []]);
  });

  test("markHeld() tells of one key", () => {
    const ledger = written(sole("1", "x"), sole("2", "y"));
    ledger.markHeld("map", "1", undefined);
    ledger.markHeld("map", "9", "stranger");
    expect(changesOf(ledger, "map")).toEqual(["1: - -> x", "9: stranger -> -"]);
    ledger.markHeld("map", "9", undefined);
    ledger.markHeld("map", "1", "x");
    expect(ledger.backlog).toBe(0);
    expect(ledger.changedObjects()).toEqual([]);
  });

  test("replace() takes a change back before it was written", () => {
    const ledger = written(sole("1", "x"));
    ledger.replace({ key: "a", created: 1 }, [sole("1", "y"), sole("2", "z")]);
    expect(ledger.backlog).toBe(2);
    ledger.replace({ key: "a", created: 1 }, [sole("1", "x")]);
    expect([ledger.backlog, ledger.changedObjects(), ledger.size("map")]).toEqual([0, [], 1]);
  });

  test("replace() counts what an owner asks for twice once", () => {
    const ledger = new Ledger();
    ledger.replace({ key: "a", created: 1 }, [shared("1"), shared("1"), sole("1", "x"), sole("1", "y")]);
    expect([ledger.wanted("map", "1"), ledger.size("set")]).toEqual(["y", 1]);
    ledger.replace({ key: "a", created: 1 }, []);
    expect([ledger.wanted("map", "1"), ledger.size("set"), ledger.backlog]).toEqual([undefined, 0, 0]);
  });

  test("wants at any time what the last words of all owners say, the older first", () => {
    const item = fc.record({
      object: fc.constantFrom("map", "set"),
      key: fc.constantFrom("1", "2", "3"),
      value: fc.constantFrom("x", "y"),
    });
    const step = fc.record({ owner: fc.constantFrom("a", "b", "c"), items: fc.array(item, { maxLength: 4 }) });
    fc.assert(
      fc.property(fc.array(fc.tuple(step, fc.boolean()), { maxLength: 12 }), (steps) => {
        const ledger = new Ledger();
        const last = new Map<string, Item[]>();
        for (const [{ owner, items }, isWritten] of steps) {
          const claims = items.map(({ object, key, value }) => (object === "map" ? sole(key, value) : shared(key)));
          ledger.replace({ key: owner, created: 0 }, claims);
          last.set(owner, claims);
          if (isWritten) ledger.markWritten();
        }
        const wanted = new Map<string, string>();
        for (const owner of ["c", "b", "a"]) {
          for (const { object, key, value } of last.get(owner) ?? []) wanted.set(`${object} ${key}`, value);
        }
        const said = ["map", "set"].flatMap((object) =>
          Array.from(ledger.items(object), ([key, value]) => [`${object} ${key}`, value] as const),
        );
        expect(new Map(said)).toEqual(wanted);
        expect(ledger.size("map") + ledger.size("set")).toBe(wanted.size);
        expect(ledger.backlog).toBe(ledger.changes("map").length + ledger.changes("set").length);
      }),
    );
  });
});

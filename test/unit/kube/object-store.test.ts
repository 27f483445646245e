import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Change, fakeStore, type KubeObject, objectKey } from "../../../kube/mod.ts";
import { ObjectStore } from "../../../kube/object-store.ts";

const object = (name: string, resourceVersion: string, labels: Record<string, string> = {}, uid = "u"): KubeObject => ({
  metadata: { name, resourceVersion, labels, uid },
});
const byColour = { colour: ({ metadata }: KubeObject) => Object.values(metadata?.labels ?? {}) };
const noErrors = (error: unknown) => {
  throw error;
};

function recorded(store: ObjectStore<KubeObject>): string[] {
  const heard: string[] = [];
  const version = (one: KubeObject | undefined) => one?.metadata?.resourceVersion ?? "-";
  store.subscribe(({ key, before, after }) => heard.push(`${key} ${version(before)}>${version(after)}`));
  return heard;
}

describe("ObjectStore", () => {
  test("tells what came, changed and went", () => {
    const store = new ObjectStore<KubeObject>({}, noErrors);
    const heard = recorded(store);
    store.set(object("a", "1"));
    store.set(object("a", "2"));
    store.remove("a");
    store.remove("a");
    expect(heard).toEqual(["a ->1", "a 1>2", "a 2>-"]);
  });

  test("replace() tells only of differences, and of the vanished first", () => {
    const store = new ObjectStore<KubeObject>({}, noErrors);
    store.replace([object("same", "1"), object("changed", "1"), object("gone", "1")]);
    const heard = recorded(store);
    store.replace([object("same", "1"), object("changed", "2"), object("new", "3")]);
    expect(heard).toEqual(["gone 1>-", "changed 1>2", "new ->3"]);
  });

  test("replace() has changed everything before it tells anything", () => {
    const store = new ObjectStore<KubeObject>({}, noErrors);
    const seen: number[] = [];
    store.subscribe(() => seen.push(store.list().length));
    store.replace([object("a", "1"), object("b", "1")]);
    expect(seen).toEqual([2, 2]);
    expect(store.synced).toBe(true);
  });

  test("an object made anew under the same name is a deletion and a new object", () => {
    const store = new ObjectStore<KubeObject>({}, noErrors);
    store.replace([object("a", "1", {}, "first")]);
    const heard = recorded(store);
    store.replace([object("a", "5", {}, "second")]);
    expect(heard).toEqual(["a 1>-", "a ->5"]);
  });

  test("whenSynced resolves with the first whole list and not before", async () => {
    const store = new ObjectStore<KubeObject>({}, noErrors);
    store.set(object("a", "1"));
    expect(store.synced).toBe(false);
    store.replace([]);
    await store.whenSynced;
    expect(store.list()).toEqual([]);
  });

  test("a listener that throws disturbs neither the store nor the other listeners", () => {
    const errors: unknown[] = [];
    const store = new ObjectStore<KubeObject>(byColour, (error) => errors.push(error));
    store.subscribe(() => {
      throw new Error("broken listener");
    });
    const heard = recorded(store);
    store.set(object("a", "1", { c: "red" }));
    expect(heard).toEqual(["a ->1"]);
    expect(store.byIndex("colour", "red")).toHaveLength(1);
    expect(errors).toEqual([new Error("broken listener")]);
  });

  test("a listener that has left hears nothing more, even while others are told", () => {
    const store = new ObjectStore<KubeObject>({}, noErrors);
    let heard = 0;
    const leave = store.subscribe(() => {
      heard++;
      leave();
    });
    store.set(object("a", "1"));
    store.set(object("a", "2"));
    expect(heard).toBe(1);
  });

  test("an index function that throws leaves its object out of that index only", () => {
    const errors: unknown[] = [];
    const broken = () => {
      throw new Error("broken index");
    };
    const store = new ObjectStore<KubeObject>({ ...byColour, broken }, (error) => errors.push(error));
    store.set(object("a", "1", { c: "red" }));
    expect(store.byIndex("colour", "red")).toHaveLength(1);
    expect(store.byIndex("broken", "red")).toEqual([]);
    expect(errors).toHaveLength(1);
  });

  test("refuses an index it doesn't have", () => {
    expect(() => new ObjectStore<KubeObject>({}, noErrors).byIndex("node", "a")).toThrowError('no index "node"');
  });

  test("after any operations holds what a plain map would, and its indexes agree with a full scan", () => {
    const name = fc.constantFrom("a", "b", "c", "d");
    const colours = fc.dictionary(fc.constantFrom("x", "y"), fc.constantFrom("red", "blue", "red"));
    const one = fc.tuple(name, fc.nat(3).map(String), colours, fc.constantFrom("u1", "u2"));
    const operation = fc.oneof(
      fc.record({ set: one }),
      fc.record({ remove: name }),
      fc.record({ replace: fc.uniqueArray(one, { selector: ([n]) => n }) }),
    );
    fc.assert(
      fc.property(fc.array(operation), (operations) => {
        const store = new ObjectStore<KubeObject>(byColour, noErrors);
        const mirror = new Map<string, KubeObject>();
        const follow = ({ key, after }: Change<KubeObject>) =>
          after === undefined ? mirror.delete(key) : mirror.set(key, after);
        store.subscribe((change) => void follow(change));
        // One version of one object has one content: else a list could not leave out what it holds already.
        let version = 100;
        const make = ([n, , labels, uid]: [string, string, Record<string, string>, string]) =>
          object(n, String(version++), labels, uid);
        for (const step of operations) {
          if ("set" in step) store.set(make(step.set));
          else if ("remove" in step) store.remove(step.remove);
          else store.replace(step.replace.map((item) => store.get(item[0]) ?? make(item)));
        }
        const sorted = (objects: readonly KubeObject[]) =>
          [...objects].sort((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1));
        expect(sorted(store.list())).toEqual(sorted([...mirror.values()]));
        for (const colour of ["red", "blue"]) {
          const scan = store.list().filter((item) => byColour.colour(item).includes(colour));
          expect(sorted(store.byIndex("colour", colour))).toEqual(sorted(scan));
        }
      }),
    );
  });
});

describe("fakeStore()", () => {
  test("is synced at once and finds by key and index", () => {
    const store = fakeStore([object("a", "1", { c: "red" })], byColour);
    expect(store.synced).toBe(true);
    store.set(object("b", "1", { c: "red" }));
    store.remove("a");
    expect(store.byIndex("colour", "red").map(objectKey)).toEqual(["b"]);
  });

  test("set() throws what a listener throws", () => {
    const store = fakeStore<KubeObject>();
    store.subscribe(() => {
      throw new Error("broken");
    });
    expect(() => store.set(object("a", "1"))).toThrowError("broken");
  });
});

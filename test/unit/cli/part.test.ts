import { describe, expect, test } from "vitest";
import { knowledgePart, laterPart, type Part } from "../../../cli/part.ts";
import { fakeStore, type Store, type V1Service } from "../../../kube/mod.ts";

describe("laterPart()", () => {
  const part: Part = { done: Promise.resolve(), ready: () => true, state: () => "works" };

  test("is not ready and says why until the part has started, then is the part", async () => {
    const starting = Promise.withResolvers<Part>();
    const stop = new AbortController();
    const later = laterPart(starting.promise, "no key yet", stop.signal);
    expect([later.ready(), later.problem?.(), later.state()]).toEqual([
      false,
      "no key yet",
      { waitsFor: "no key yet" },
    ]);
    starting.resolve(part);
    await starting.promise;
    expect([later.ready(), later.problem?.(), later.state()]).toEqual([true, undefined, "works"]);
    stop.abort();
    await later.done;
  });

  test("ends with the signal though the part never started", async () => {
    const stop = new AbortController();
    const later = laterPart(new Promise<never>(() => {}), "no key yet", stop.signal);
    stop.abort();
    await later.done;
  });

  test("fails when the start or the part fails", async () => {
    const { signal } = new AbortController();
    await expect(laterPart(Promise.reject(new Error("no start")), "", signal).done).rejects.toThrowError("no start");
    const failing = { ...part, done: Promise.reject(new Error("broke")) };
    await expect(laterPart(Promise.resolve(failing), "", signal).done).rejects.toThrowError("broke");
  });
});

describe("knowledgePart()", () => {
  const store = (synced: boolean, confirmed: boolean): Store<V1Service> => ({
    ...fakeStore<V1Service>(),
    get: () => undefined,
    list: () => [],
    byIndex: () => [],
    subscribe: () => () => {},
    synced,
    confirmed,
  });

  const cases: [name: string, services: [boolean, boolean], problem: string | undefined][] = [
    ["all is known from the API server", [true, true], undefined],
    [
      "an earlier run's knowledge is used",
      [true, false],
      "the API server has not told all services; working from what an earlier run knew",
    ],
    ["nothing is known", [false, false], "the API server has not told all services; nothing is known yet"],
  ];
  test.each(cases)("when %s", (_name, [synced, confirmed], problem) => {
    const part = knowledgePart({ services: store(synced, confirmed), nodes: store(true, true) });
    expect([part.ready(), part.problem?.()]).toEqual([problem === undefined, problem]);
  });
});

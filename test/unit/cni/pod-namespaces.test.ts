import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { followClaims, whenKnown } from "../../../cni/pod-namespaces.ts";
import { fakeStore, type V1Namespace } from "../../../kube/mod.ts";

const namespace = (name: string, annotations: Record<string, string> = {}): V1Namespace => ({
  metadata: { name, annotations },
});
const claiming = (value: string) => namespace("shop", { "ironbridge.io/pod-ranges": value });

test("followClaims() tells of claims that came, changed or went, and of no other change", () => {
  const store = fakeStore<V1Namespace>([namespace("other")]);
  let told = 0;
  const stop = followClaims(store, () => told++);
  const after = (change: () => void) => {
    const before = told;
    change();
    return told - before;
  };
  expect(after(() => store.set(namespace("shop")))).toBe(0);
  expect(after(() => store.set(namespace("shop", { colour: "red" })))).toBe(0);
  expect(after(() => store.set(claiming("0.0.0.64/26")))).toBe(1);
  expect(after(() => store.set(claiming("0.0.0.64/26")))).toBe(0);
  expect(after(() => store.set(claiming("0.0.0.64/27")))).toBe(1);
  expect(after(() => store.remove("shop"))).toBe(1);
  expect(after(() => store.set(claiming("0.0.0.64/26")))).toBe(1);
  stop();
  expect(after(() => store.remove("shop"))).toBe(0);
});

describe("whenKnown()", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test.each(["shop", undefined])("returns at once for %s when all is known", async (name) => {
    await whenKnown(fakeStore([namespace("shop")]), name);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("waits for a Namespace that was just made, and no longer", async () => {
    const store = fakeStore<V1Namespace>([namespace("other")]);
    let known = false;
    const waiting = whenKnown(store, "shop").then(() => {
      known = true;
    });
    store.set(namespace("another"));
    await vi.advanceTimersByTimeAsync(2000);
    expect(known).toBe(false);
    store.set(namespace("shop"));
    await waiting;
    expect(vi.getTimerCount()).toBe(0);
  });

  test("says try again for one that nobody told of", async () => {
    const refused = expect(whenKnown(fakeStore([namespace("other")]), "shop")).rejects.toMatchObject({
      code: 11,
      message: expect.stringContaining("Namespace shop is not known on this node yet"),
    });
    await vi.advanceTimersByTimeAsync(3000);
    await refused;
  });

  test("gives what is no pod of Kubernetes no address before the claims are known", async () => {
    const store = { ...fakeStore<V1Namespace>(), get: () => undefined, subscribe: () => () => {}, synced: false };
    const refused = expect(whenKnown(store, undefined)).rejects.toMatchObject({ code: 11 });
    await vi.advanceTimersByTimeAsync(3000);
    await refused;
  });
});

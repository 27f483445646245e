import { describe, expect, test } from "vitest";
import type { ApiObject } from "../../../../lab/api/json.ts";
import { ApiStore, type StoreEvent } from "../../../../lab/api/store.ts";
import { refusal } from "./support.ts";

const map = (name: string, data = {}, namespace = "default"): ApiObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace, uid: `${namespace}-${name}` },
  data,
});
const told = ({ type, after }: StoreEvent) => `${type} ${after.object.metadata.name}`;

describe("ApiStore", () => {
  test("gives every write the next version and freezes what it stores", () => {
    const store = new ApiStore();
    const first = store.put("configmaps", map("a"));
    const second = store.put("configmaps", map("a", { x: "1" }));
    expect(Number(second.object.metadata.resourceVersion)).toBe(Number(first.object.metadata.resourceVersion) + 1);
    expect(Object.isFrozen(second.object.data)).toBe(true);
  });

  test("lists in the order of namespace and name", () => {
    const store = new ApiStore();
    for (const [name, namespace] of [
      ["b", "y"],
      ["a", "y"],
      ["c", "x"],
    ])
      store.put("configmaps", map(name!, {}, namespace));
    expect(store.list("configmaps").map(({ object }) => object.metadata.name)).toEqual(["c", "a", "b"]);
    expect(store.list("configmaps", "y")).toHaveLength(2);
  });

  test("watch() tells the past after a version and then the present, each once", async () => {
    const store = new ApiStore();
    const { version } = store;
    store.put("configmaps", map("a"));
    const events: string[] = [];
    store.watch("configmaps", version, (event) => events.push(told(event)));
    store.put("configmaps", map("a", { x: "1" }));
    store.remove("configmaps", "default", "a");
    await Promise.resolve();
    expect(events).toEqual(["ADDED a", "MODIFIED a", "DELETED a"]);
  });

  test("watch() keeps the order when a watcher writes", async () => {
    const store = new ApiStore();
    const seen: string[] = [];
    store.watch("configmaps", store.version, ({ after }) => {
      if (after.object.metadata.name === "a") store.put("configmaps", map("b"));
    });
    store.watch("configmaps", store.version, (event) => seen.push(told(event)));
    store.put("configmaps", map("a"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual(["ADDED a", "ADDED b"]);
  });

  test("watch() refuses versions whose events are gone, and versions to come", () => {
    const store = new ApiStore();
    const { version } = store;
    for (let i = 0; i < 5000; i++) store.put("configmaps", map("a", { i: String(i) }));
    expect(refusal(() => store.watch("configmaps", version, () => {})).status).toBe(410);
    expect(refusal(() => store.watch("configmaps", store.version + 1, () => {})).status).toBe(410);
    store.forgetEvents();
    expect(refusal(() => store.watch("configmaps", store.version - 1, () => {})).status).toBe(410);
    store.watch("configmaps", store.version, () => {})();
  });

  test("dependents() follows owner references", () => {
    const store = new ApiStore();
    const owned = map("child");
    const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "p", uid: "u1" }];
    store.put("configmaps", { ...owned, metadata: { ...owned.metadata, ownerReferences } });
    expect(store.dependents("u1")).toEqual([{ storage: "configmaps", namespace: "default", name: "child" }]);
    store.put("configmaps", owned);
    expect(store.dependents("u1")).toEqual([]);
  });
});

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "../../../../core/mod.ts";
import type { Api } from "../../../../lab/api/api.ts";
import { startCollector } from "../../../../lab/api/collector.ts";
import type { JsonObject } from "../../../../lab/api/json.ts";
import { waitFor } from "../../../support/wait.ts";
import { bareApi, create, targetOf } from "./support.ts";

let api: Api;
let stop: AbortController;

beforeEach(() => {
  api = bareApi();
  stop = new AbortController();
  startCollector(api, silentLog(), stop.signal);
});
afterEach(() => stop.abort());

const owned = (name: string, ...owners: readonly { metadata: { uid?: string } }[]): JsonObject => ({
  metadata: {
    name,
    ownerReferences: owners.map(({ metadata }) => ({
      apiVersion: "v1",
      kind: "ConfigMap",
      name: "owner",
      uid: metadata.uid ?? "",
    })),
  },
});
const names = () => api.store.list("configmaps").map(({ object }) => object.metadata.name);
const until = (want: string[]) =>
  waitFor(`only ${want}`, () => names().join() === want.join(), { deadline: 2000, every: 1 });

describe("startCollector()", () => {
  test("deletes what is owned, and what that owns, once the last owner is gone", async () => {
    const a = create(api, "configmaps", { metadata: { name: "a" } });
    const b = create(api, "configmaps", { metadata: { name: "b" } });
    const child = create(api, "configmaps", owned("child", a, b));
    create(api, "configmaps", owned("grandchild", child));
    api.remove(targetOf(api, "configmaps", "a"));
    await until(["b", "child", "grandchild"]);
    api.remove(targetOf(api, "configmaps", "b"));
    await until([]);
  });

  test("orphans when asked to", async () => {
    const a = create(api, "configmaps", { metadata: { name: "a" } });
    create(api, "configmaps", owned("child", a));
    api.remove(targetOf(api, "configmaps", "a"), { propagationPolicy: "Orphan" });
    await until(["child"]);
    expect(api.get(targetOf(api, "configmaps", "child")).object.metadata.ownerReferences).toEqual([]);
  });

  test("in the foreground the owner goes last", async () => {
    const a = create(api, "configmaps", { metadata: { name: "a" } });
    const held = owned("child", a);
    create(api, "configmaps", { metadata: { ...(held.metadata as JsonObject), finalizers: ["x/y"] } });
    api.remove(targetOf(api, "configmaps", "a"), { propagationPolicy: "Foreground" });
    const child = targetOf(api, "configmaps", "child");
    await waitFor("the child's mark", () => api.get(child).object.metadata.deletionTimestamp, { deadline: 2000 });
    expect(names()).toEqual(["a", "child"]);
    api.patch(child, { kind: "merge", body: { metadata: { finalizers: null } } }, "object");
    await until([]);
  });

  test("empties a namespace before it goes, and takes nothing new meanwhile", async () => {
    create(api, "namespaces", { metadata: { name: "team" } });
    create(api, "configmaps", { metadata: { name: "a", finalizers: ["x/y"] } }, "team");
    create(api, "services", { metadata: { name: "s" }, spec: { ports: [{ port: 1 }] } }, "team");
    api.remove(targetOf(api, "namespaces", "team"));
    await waitFor("an empty list", () => api.store.list("services").length === 0, { deadline: 2000 });
    expect(api.get(targetOf(api, "namespaces", "team")).object.status).toEqual({ phase: "Terminating" });
    expect(() => create(api, "configmaps", { metadata: { name: "b" } }, "team")).toThrow("is being terminated");
    const body = { metadata: { finalizers: null } };
    api.patch(targetOf(api, "configmaps", "a", "team"), { kind: "merge", body }, "object");
    const isGone = () => api.store.get("namespaces", "", "team") === undefined;
    await waitFor("the namespace's end", isGone, { deadline: 2000 });
  });
});

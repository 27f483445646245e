import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../../lab/api/json.ts";
import { bareApi, create, kindOf, refusal, targetOf } from "./support.ts";

const map = (name: string, fields: JsonObject = {}): JsonObject => ({ metadata: { name }, ...fields });
const deployment = (metadata: JsonObject = {}): JsonObject => ({
  metadata: { name: "web", ...metadata },
  spec: {
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "web:1" }] } },
  },
});

describe("create()", () => {
  test("stamps the object", () => {
    const { metadata } = create(bareApi(), "configmaps", { metadata: { generateName: "a-", uid: "mine" } });
    expect(metadata).toMatchObject({
      name: expect.stringMatching(/^a-[0-9a-f]{5}$/),
      namespace: "default",
      creationTimestamp: "2026-01-01T00:00:00Z",
      generation: 1,
      uid: expect.not.stringMatching("mine"),
    });
  });

  const cases: [string, JsonObject, string, number, string][] = [
    ["configmaps", map("a"), "default", 409, 'configmaps "a" already exists'],
    ["configmaps", map("b"), "none", 404, 'namespaces "none" not found'],
    ["configmaps", map("B"), "default", 422, "metadata.name: Invalid value"],
    ["configmaps", {}, "default", 422, "name or generateName is required"],
    ["configmaps", map("b", { kind: "Secret" }), "default", 400, "Kind=Secret"],
    ["configmaps", { metadata: { name: "b", namespace: "x" } }, "default", 400, "does not match the namespace"],
    ["configmaps", { metadata: { name: "b", labels: { x: "-" } } }, "default", 422, "a valid label must be"],
    ["services", map("1a"), "default", 422, "a DNS-1035 label"],
    ["deployments.apps", map("a"), "default", 422, "spec.selector: Required value"],
    [
      "pods",
      map("a", { spec: { containers: [{ name: "x" }] } }),
      "default",
      422,
      "containers[0].image: Required value",
    ],
  ];
  test.each(cases)("refuses %s %j in %s with %i %s", (storage, object, namespace, status, message) => {
    const api = bareApi();
    create(api, "configmaps", map("a"));
    const refused = refusal(() => create(api, storage, object, namespace));
    expect([refused.status, refused.message]).toEqual([status, expect.stringContaining(message)]);
  });

  test("refuses unknown fields when asked to be strict, and names them", () => {
    const api = bareApi();
    const body = { metadata: { name: "a" }, spec: { prots: [], ports: [{ prot: 1 }] } };
    const call = () => api.create(kindOf(api, "services"), "default", body, { fieldValidation: "Strict" });
    expect(refusal(call).message).toBe(
      'strict decoding error: unknown field "spec.prots", unknown field "spec.ports[0].prot"',
    );
  });
});

describe("update()", () => {
  test("counts generations by spec, keeps the status, and stores nothing when nothing changes", () => {
    const api = bareApi();
    const target = targetOf(api, "deployments.apps", "web");
    const first = create(api, "deployments.apps", deployment());
    api.update(target, { ...first, status: { replicas: 9 } }, "status");
    const labelled = api.update(target, deployment({ labels: { a: "b" } }), "object").object;
    expect(labelled).toMatchObject({ metadata: { generation: 1 }, status: { replicas: 9 } });
    const { version } = api.store;
    expect(api.update(target, deployment({ labels: { a: "b" } }), "object").object).toBe(labelled);
    expect(api.store.version).toBe(version);
    const scaled = api.update(target, { spec: { replicas: 4 } }, "scale").object;
    expect(scaled).toMatchObject({ metadata: { generation: 2 }, spec: { replicas: 4 } });
  });

  test("the status alone changes nothing else", () => {
    const api = bareApi();
    create(api, "deployments.apps", deployment());
    const body = { ...deployment({ labels: { x: "y" } }), status: { replicas: 1 } };
    const { object } = api.update(targetOf(api, "deployments.apps", "web"), body, "status");
    expect(object.status).toEqual({ replicas: 1 });
    expect(object.metadata.labels).toBeUndefined();
  });

  test("refuses an old version with 409", () => {
    const api = bareApi();
    const old = create(api, "configmaps", map("a"));
    const target = targetOf(api, "configmaps", "a");
    api.update(target, { ...old, data: { x: "1" } }, "object");
    expect(refusal(() => api.update(target, { ...old, data: { x: "2" } }, "object"))).toMatchObject({
      status: 409,
      reason: "Conflict",
    });
  });

  test("a dry run stores nothing", () => {
    const api = bareApi();
    create(api, "configmaps", map("a"));
    const body = map("a", { data: { x: "1" } });
    const { object } = api.update(targetOf(api, "configmaps", "a"), body, "object", { dryRun: true });
    expect(object.data).toEqual({ x: "1" });
    expect(api.get(targetOf(api, "configmaps", "a")).object.data).toBeUndefined();
  });
});

describe("list()", () => {
  test("gives pages in order, without gaps", () => {
    const api = bareApi();
    for (const name of ["c", "a", "e", "b", "d"]) create(api, "configmaps", map(name));
    const names: string[] = [];
    let token: string | undefined;
    do {
      const page = api.list(kindOf(api, "configmaps"), { limit: 2, continue: token });
      names.push(...page.items.map(({ object }) => object.metadata.name));
      token = page.continue;
    } while (token !== undefined);
    expect(names).toEqual(["a", "b", "c", "d", "e"]);
  });
});

describe("watch()", () => {
  test("shows what enters and leaves a selector as added and deleted", async () => {
    const api = bareApi();
    const events: string[] = [];
    const from = api.store.version;
    const options = { from, labelSelector: "in=yes", namespace: "default" };
    api.watch(kindOf(api, "configmaps"), options, ({ type, after }) =>
      events.push(`${type} ${after.object.metadata.name}`),
    );
    const target = targetOf(api, "configmaps", "a");
    create(api, "configmaps", map("a"));
    for (const labels of [{ in: "yes" }, { in: "yes", x: "y" }, { in: "no" }]) {
      api.update(target, { metadata: { name: "a", labels } }, "object");
    }
    await Promise.resolve();
    expect(events).toEqual(["ADDED a", "MODIFIED a", "DELETED a"]);
  });
});

describe("remove()", () => {
  test("a Pod on a node waits for its kubelet, another one goes at once", () => {
    const api = bareApi();
    const pod = (name: string, nodeName?: string) => ({
      metadata: { name },
      spec: { containers: [{ name: "a", image: "a" }], ...(nodeName !== undefined && { nodeName }) },
    });
    create(api, "pods", pod("free"));
    create(api, "pods", pod("bound", "node1"));
    expect(api.remove(targetOf(api, "pods", "free")).gone).toBe(true);
    const { gone, revision } = api.remove(targetOf(api, "pods", "bound"), { gracePeriodSeconds: 5 });
    expect(gone).toBe(false);
    expect(revision.object.metadata).toMatchObject({
      deletionTimestamp: "2026-01-01T00:00:05Z",
      deletionGracePeriodSeconds: 5,
    });
    expect(api.remove(targetOf(api, "pods", "bound"), { gracePeriodSeconds: 0 }).gone).toBe(true);
  });

  test("finalizers hold an object until the last one is taken off", () => {
    const api = bareApi();
    create(api, "configmaps", { metadata: { name: "a", finalizers: ["x/y"] } });
    const target = targetOf(api, "configmaps", "a");
    expect(api.remove(target).gone).toBe(false);
    expect(api.get(target).object.metadata.deletionTimestamp).toBeDefined();
    api.patch(target, { kind: "merge", body: { metadata: { finalizers: null } } }, "object");
    expect(refusal(() => api.get(target)).status).toBe(404);
  });

  test("refuses when the uid is another one", () => {
    const api = bareApi();
    create(api, "configmaps", map("a"));
    const call = () => api.remove(targetOf(api, "configmaps", "a"), { preconditions: { uid: "other" } });
    expect(refusal(call).status).toBe(409);
  });
});

describe("custom resources", () => {
  const crd = {
    metadata: { name: "boats.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { kind: "Boat", plural: "boats" },
      versions: ["v1", "v1beta1"].map((name) => ({
        name,
        served: true,
        storage: name === "v1",
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: { spec: { type: "object", properties: { size: { type: "integer", default: 3 } } } },
          },
        },
      })),
    },
  };

  test("are served in all versions, with defaults, without unknown fields", () => {
    const api = bareApi();
    create(api, "customresourcedefinitions.apiextensions.k8s.io", crd);
    const beta = api.registry.find("example.com", "v1beta1", "boats")!;
    const body = { metadata: { name: "tug" }, spec: { colour: "red" }, status: { sunk: true } };
    const revision = api.create(beta, "default", body);
    expect(revision.object).toMatchObject({ apiVersion: "example.com/v1", spec: { size: 3 } });
    expect(revision.object.status).toBeUndefined();
    expect(revision.as(beta).apiVersion).toBe("example.com/v1beta1");
    expect(
      refusal(() =>
        api.patch({ resource: beta, namespace: "default", name: "tug" }, { kind: "strategic", body: {} }, "object"),
      ).status,
    ).toBe(415);
  });
});

test("events.k8s.io shows core events under its own names, and back", () => {
  const api = bareApi();
  const events = api.registry.find("events.k8s.io", "v1", "events")!;
  const note = { metadata: { name: "e" }, regarding: { kind: "Pod", name: "p" }, note: "hello", reason: "R" };
  const revision = api.create(events, "default", note);
  expect(revision.object).toMatchObject({ apiVersion: "v1", involvedObject: { name: "p" }, message: "hello" });
  expect(revision.as(events)).toMatchObject({
    apiVersion: "events.k8s.io/v1",
    regarding: { name: "p" },
    note: "hello",
  });
});

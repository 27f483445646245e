import { describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import { fakeKubeClient, NODES, refusalStatus, SERVICES, type V1Service, type WatchEvent } from "../../../kube/mod.ts";

const web = { name: "web", namespace: "shop" };
const service = (spec: object = {}): V1Service => ({ metadata: { ...web, labels: { app: "web" } }, spec });

async function statusOf(call: Promise<unknown>): Promise<number | undefined> {
  return call.then(
    () => undefined,
    (error) => refusalStatus(error),
  );
}

describe("fakeKubeClient()", () => {
  test("refuses a second object of the same name and an update of an old version", async () => {
    const client = fakeKubeClient();
    const first = await client.create(SERVICES, service());
    expect(await statusOf(client.create(SERVICES, service()))).toBe(409);
    await client.update(SERVICES, { ...first, spec: { type: "LoadBalancer" } });
    expect(await statusOf(client.update(SERVICES, first))).toBe(409);
    expect(await client.get(SERVICES, web)).toMatchObject({ kind: "Service", spec: { type: "LoadBalancer" } });
  });

  test("knows what is not there", async () => {
    const client = fakeKubeClient();
    expect(await client.get(SERVICES, web)).toBeUndefined();
    expect(await statusOf(client.update(SERVICES, service()))).toBe(404);
    expect(await statusOf(client.patch(SERVICES, web, { kind: "merge", body: {} }))).toBe(404);
    await client.delete(SERVICES, web);
  });

  test("keeps status and the rest apart", async () => {
    const client = fakeKubeClient();
    const status = { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } };
    const created = await client.create(SERVICES, { ...service({ type: "LoadBalancer" }), status });
    expect(created.status).toBeUndefined();
    await client.update(SERVICES, { ...created, spec: { type: "ClusterIP" }, status }, "status");
    await client.patch(SERVICES, web, { kind: "merge", body: { spec: { clusterIP: "10.0.0.1" }, status: { x: 1 } } });
    expect(await client.get(SERVICES, web)).toMatchObject({
      spec: { type: "LoadBalancer", clusterIP: "10.0.0.1" },
      status,
    });
  });

  test("merges patches, and null deletes", async () => {
    const client = fakeKubeClient();
    client.seed(SERVICES, service({ a: { b: 1, c: 2 } }));
    const body = { spec: { a: { b: null, d: [3] } } };
    expect((await client.patch(SERVICES, web, { kind: "merge", body })).spec).toEqual({ a: { c: 2, d: [3] } });
    expect(await statusOf(client.patch(SERVICES, web, { kind: "json", body: [] }))).toBe(415);
  });

  test("makes the object that an apply patch describes", async () => {
    const client = fakeKubeClient();
    const patch = { kind: "apply", body: { spec: { a: 1 } }, fieldManager: "me", force: true } as const;
    expect(await client.patch(SERVICES, web, patch)).toMatchObject({ metadata: web, spec: { a: 1 } });
  });

  test("gives copies: a caller can't change what the server has", async () => {
    const client = fakeKubeClient();
    const created = await client.create(SERVICES, service({ type: "ClusterIP" }));
    (created.spec as { type: string }).type = "changed";
    expect((await client.get(SERVICES, web))?.spec?.type).toBe("ClusterIP");
  });

  test("selects by namespace, labels and name", async () => {
    const client = fakeKubeClient();
    client.seed(SERVICES, service(), { metadata: { name: "other", labels: { app: "x" } } });
    const names = async (selectors: object) =>
      (await client.list(SERVICES, selectors)).items.map(({ metadata }) => metadata?.name);
    expect(await names({ namespace: "shop" })).toEqual(["web"]);
    expect(await names({ labelSelector: "app=web" })).toEqual(["web"]);
    expect(await names({ labelSelector: "app!=web" })).toEqual(["other"]);
    expect(await names({ fieldSelector: "metadata.name=other,metadata.namespace=default" })).toEqual(["other"]);
    expect(await statusOf(client.list(SERVICES, { labelSelector: "app in (a)" }))).toBe(400);
  });

  test("tells a watch what happened since its version and what happens, of its kind only", async () => {
    const client = fakeKubeClient();
    client.seed(SERVICES, { metadata: { name: "before" } });
    const { resourceVersion } = await client.list(SERVICES);
    client.seed(SERVICES, service());
    const stop = new AbortController();
    const told: string[] = [];
    const onEvent = (event: WatchEvent<V1Service>) => {
      if (event.type !== "BOOKMARK") told.push(`${event.type} ${event.object.metadata?.name}`);
      if (told.length === 3) stop.abort();
    };
    const done = client.watch(SERVICES, { resourceVersion, signal: stop.signal }, onEvent);
    client.seed(NODES, { metadata: { name: "node1" } });
    await client.patch(SERVICES, web, { kind: "merge", body: { spec: { a: 1 } } });
    await client.delete(SERVICES, web);
    await done;
    expect(told).toEqual(["ADDED web", "MODIFIED web", "DELETED web"]);
  });

  test("refuses a watch from forgotten history, and cuts the open ones", async () => {
    const client = fakeKubeClient();
    const { signal } = new AbortController();
    const open = client.watch(SERVICES, { resourceVersion: "0", signal }, () => {});
    const cut = client.watch(SERVICES, { resourceVersion: "0", signal }, () => {});
    const ends = Promise.allSettled([open, cut]);
    await Promise.resolve();
    client.seed(SERVICES, service());
    client.expire();
    expect((await ends).map((end) => end.status === "rejected" && refusalStatus(end.reason))).toEqual([410, 410]);
    expect(await statusOf(client.watch(SERVICES, { resourceVersion: "0", signal }, () => {}))).toBe(410);
  });

  test("fails as told, as often as told", async () => {
    const client = fakeKubeClient();
    client.fail("get", 500, 2);
    client.fail("list", "unreachable");
    expect(await statusOf(client.get(SERVICES, web))).toBe(500);
    expect(await statusOf(client.get(SERVICES, web))).toBe(500);
    expect(await statusOf(client.get(SERVICES, web))).toBeUndefined();
    await expect(client.list(SERVICES)).rejects.toSatisfy((error) => hasCode(error, "IB_API_UNREACHABLE"));
    expect(client.calls).toEqual([...Array(3).fill("get services shop/web"), "list services"]);
  });
});

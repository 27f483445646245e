import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "../../../../core/mod.ts";
import {
  ENDPOINT_SLICES,
  type KubeClient,
  refusalStatus,
  SERVICE_CIDRS,
  SERVICES,
  type V1Service,
} from "../../../../kube/mod.ts";
import { type ApiServer, kubeClientOf, startApiServer } from "../../../../lab/api/mod.ts";
import { waitFor } from "../../../support/wait.ts";

let folder: string;
let snapshotFile: string;
let server: ApiServer;
let client: KubeClient;

async function start(): Promise<void> {
  server = await startApiServer({ listen: [{ host: "127.0.0.1", port: 0 }], crds: [], snapshotFile, log: silentLog() });
  client = kubeClientOf(server);
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "api-"));
  snapshotFile = join(folder, "snapshot");
  await start();
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const service: V1Service = { metadata: { name: "web", namespace: "default" }, spec: { ports: [{ port: 80 }] } };
const ask = (path: string, options?: RequestInit) => fetch(server.url + path, options);
const send = (method: string, path: string, type: string, body: string) =>
  ask(path, { method, body, headers: { "content-type": type } });

describe("startApiServer()", () => {
  test("has the Service kubernetes, which leads to itself", async () => {
    const { items } = await client.list(ENDPOINT_SLICES);
    expect(items[0]).toMatchObject({
      metadata: { name: "kubernetes" },
      endpoints: [{ addresses: ["127.0.0.1"] }],
      ports: [{ port: Number(new URL(server.url).port) }],
    });
    const kubernetes = await client.get(SERVICES, { name: "kubernetes", namespace: "default" });
    expect(kubernetes?.spec?.clusterIP).toBe("10.96.0.1");
    const ranges = await client.get(SERVICE_CIDRS, { name: "kubernetes" });
    expect(ranges?.spec?.cidrs).toContain("10.96.0.0/16");
  });

  test("remembers objects and versions over a restart, and sends old watches back to list", async () => {
    const { metadata, spec } = await client.create(SERVICES, service);
    const { version } = server.store;
    await server.close();
    await start();
    const again = await client.get(SERVICES, { name: "web", namespace: "default" });
    expect(again).toMatchObject({ metadata: { uid: metadata?.uid }, spec: { clusterIP: spec?.clusterIP } });
    expect(server.store.version).toBeGreaterThanOrEqual(version);
    expect((await ask("/api/v1/services?watch=1&resourceVersion=1")).status).toBe(410);
  });

  test.each([
    ["GET", "/api/v1/nothing", 404],
    ["GET", "/apis/none.example/v1", 404],
    ["GET", "/api/v1/namespaces/default/services/none", 404],
    ["GET", "/api/v1/services?labelSelector=a%20b", 400],
    ["GET", "/api/v1/services?limit=x", 400],
    ["GET", "/api/v1/namespaces/%E0%A4%A/services", 400],
    ["POST", "/api/v1/namespaces/default/services/web", 405],
    ["POST", "/api/v1/services", 400],
    ["GET", "/healthz", 200],
  ])("%s %s answers %i", async (method, path, status) => {
    const answer = method === "POST" ? await send(method, path, "application/json", "{}") : await ask(path, { method });
    expect(answer.status).toBe(status);
    if (status >= 400) expect(await answer.json()).toMatchObject({ kind: "Status", status: "Failure", code: status });
  });

  test("refuses bodies it can't read", async () => {
    const path = "/api/v1/namespaces/default/configmaps";
    expect((await send("POST", path, "application/json", "{")).status).toBe(400);
    expect((await send("POST", path, "application/cbor", "x")).status).toBe(415);
    expect((await send("POST", path, "application/json", `"${"x".repeat(4_000_000)}"`)).status).toBe(413);
    expect((await send("POST", path, "application/yaml", "metadata: {name: from-yaml}")).status).toBe(201);
  });
});

describe("watch over HTTP", () => {
  /** The lines of a watch as they come, and whether it ended. */
  async function watch(query: string, accept = "application/json") {
    const answer = await ask(`/api/v1/services?watch=1&${query}`, { headers: { accept } });
    const state = { lines: [] as { type: string; object: { metadata?: object; rows?: object[] } }[], ended: false };
    const read = async () => {
      let rest = "";
      for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
        const parts = (rest + piece).split("\n");
        rest = parts.pop() ?? "";
        state.lines.push(...parts.map((line) => JSON.parse(line)));
      }
      state.ended = true;
    };
    void read();
    return state;
  }

  test("without a version begins with what there is, then follows", async () => {
    const state = await watch("");
    await client.create(SERVICES, service);
    await waitFor("two events", () => state.lines.length === 2, { deadline: 2000 });
    expect(state.lines.map(({ type }) => type)).toEqual(["ADDED", "ADDED"]);
    expect(state.lines[1]?.object).toMatchObject({ metadata: { name: "web" } });
  });

  test("with initial events marks their end", async () => {
    const state = await watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
    await waitFor("a bookmark", () => state.lines[1]?.type === "BOOKMARK", { deadline: 2000 });
    expect(state.lines[1]?.object.metadata).toMatchObject({ annotations: { "k8s.io/initial-events-end": "true" } });
  });

  test("ends in time with a bookmark, and at once with cutWatches()", async () => {
    const version = server.store.version;
    const short = await watch(`resourceVersion=${version}&timeoutSeconds=1&allowWatchBookmarks=true`);
    const long = await watch(`resourceVersion=${version}`);
    await waitFor("its end", () => short.ended, { deadline: 3000 });
    expect(short.lines).toEqual([expect.objectContaining({ type: "BOOKMARK" })]);
    expect(long.ended).toBe(false);
    server.cutWatches();
    await waitFor("its end", () => long.ended, { deadline: 2000 });
  });

  test("as a table names the columns once", async () => {
    const state = await watch("", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    await client.create(SERVICES, service);
    await waitFor("two events", () => state.lines.length === 2, { deadline: 2000 });
    expect(state.lines.map(({ object }) => object)).toMatchObject([
      {
        kind: "Table",
        columnDefinitions: expect.any(Array),
        rows: [{ cells: expect.arrayContaining(["kubernetes"]) }],
      },
      { kind: "Table", columnDefinitions: null, rows: [{ cells: expect.arrayContaining(["web"]) }] },
    ]);
  });
});

describe("faults", () => {
  test("fail() answers chosen requests with an error until it is undone", async () => {
    const undo = server.faults.fail(({ method, path }) => method === "GET" && path.endsWith("/services"), 503);
    expect((await ask("/api/v1/services")).status).toBe(503);
    expect((await ask("/api/v1/nodes")).status).toBe(200);
    undo();
    expect((await ask("/api/v1/services")).status).toBe(200);
  });

  test("hang() holds requests until it is undone", async () => {
    const undo = server.faults.hang(({ path }) => path === "/api/v1/nodes");
    let answered = false;
    const answer = ask("/api/v1/nodes").then(() => {
      answered = true;
    });
    expect((await ask("/api/v1/services")).status).toBe(200);
    expect(answered).toBe(false);
    undo();
    await answer;
  });
});

describe("kubeClientOf()", () => {
  test("keeps the contract of the client over HTTP", async () => {
    const name = { name: "web", namespace: "default" };
    expect(await client.get(SERVICES, name)).toBeUndefined();
    await client.delete(SERVICES, name);
    const first = await client.create(SERVICES, service);
    expect(first).toMatchObject({ apiVersion: "v1", kind: "Service", spec: { type: "ClusterIP" } });
    const status = { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } };
    await client.patch(SERVICES, name, { kind: "merge", body: { status } }, "status");
    const refused = await client.update(SERVICES, first).catch(refusalStatus);
    expect(refused).toBe(409);
    const apply = {
      kind: "apply",
      body: { spec: { ports: [{ port: 80, name: "http" }] } },
      fieldManager: "m",
      force: true,
    } as const;
    expect(await client.patch(SERVICES, name, apply)).toMatchObject({ spec: { ports: [{ name: "http" }] }, status });
    expect((await client.list(SERVICES, { fieldSelector: "metadata.name=web" })).items).toHaveLength(1);
  });

  test("watch() tells changes until it is aborted, and 410 for an old version", async () => {
    const stop = new AbortController();
    const seen: string[] = [];
    const { resourceVersion } = await client.list(SERVICES);
    const ended = client.watch(SERVICES, { resourceVersion, signal: stop.signal }, (event) => seen.push(event.type));
    await client.create(SERVICES, service);
    await client.delete(SERVICES, { name: "web", namespace: "default" });
    await waitFor("both", () => seen.join() === "ADDED,DELETED", { deadline: 2000 });
    stop.abort();
    await ended;
    server.store.forgetEvents();
    const old = client.watch(SERVICES, { resourceVersion, signal: new AbortController().signal }, () => {});
    expect(await old.catch(refusalStatus)).toBe(410);
  });
});

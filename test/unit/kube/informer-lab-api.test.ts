import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "../../../core/mod.ts";
import {
  createKubeClient,
  createReporter,
  EVENTS,
  type KubeClient,
  objectKey,
  PODS,
  refusalStatus,
  SERVICES,
  type Store,
  startInformer,
  type V1Service,
} from "../../../kube/mod.ts";
import { type ApiServer, startApiServer } from "../../../lab/api/mod.ts";
import { waitFor } from "../../support/wait.ts";

let folder: string;
let server: ApiServer;
let client: KubeClient;
let stop: AbortController;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "informer-"));
  server = await startServer(0);
  stop = new AbortController();
  client = clientTo(server.url);
});
afterEach(async () => {
  stop.abort();
  await server.close();
  rmSync(folder, { recursive: true });
});

const startServer = (port: number) =>
  startApiServer({ listen: [{ host: "127.0.0.1", port }], crds: [], log: silentLog() });

function clientTo(url: string): KubeClient {
  const kubeconfig = join(folder, "kubeconfig");
  writeFileSync(
    kubeconfig,
    `clusters: [{name: lab, cluster: {server: "${url}"}}]
contexts: [{name: lab, context: {cluster: lab, user: lab}}]
users: [{name: lab, user: {}}]
current-context: lab
`,
  );
  return createKubeClient({ kubeconfig, userAgent: "test" });
}

const service = (name: string): V1Service => ({
  metadata: { name, namespace: "default" },
  spec: { type: "ClusterIP", ports: [{ port: 80 }], selector: { app: name } },
});

/** What the store and the server hold, in a form to compare. */
const versions = (services: readonly V1Service[]) =>
  services.map((one) => `${objectKey(one)} ${one.metadata?.resourceVersion}`).sort();

async function untilEqual(store: Store<V1Service>): Promise<void> {
  await waitFor(
    "the store to equal the cluster",
    async () => versions(store.list()).join() === versions((await client.list(SERVICES)).items).join(),
    { deadline: 5_000 },
  );
}

describe("createKubeClient() and the lab's API server", () => {
  test("agree on create, conflict, patches, status and delete", async () => {
    const created = await client.create(SERVICES, service("web"));
    expect(created.spec?.clusterIP).toMatch(/^10\.96\./);
    const name = { name: "web", namespace: "default" };
    const status = { loadBalancer: { ingress: [{ ip: "192.0.2.1" }] } };
    await client.update(SERVICES, { ...created, status }, "status");
    await expect(client.update(SERVICES, created)).rejects.toSatisfy((error) => refusalStatus(error) === 409);
    await client.patch(SERVICES, name, { kind: "merge", body: { metadata: { labels: { a: "b" } } } });
    await client.patch(SERVICES, name, { kind: "json", body: [{ op: "add", path: "/metadata/labels/c", value: "d" }] });
    const body = { metadata: { name: "web", namespace: "default", labels: { e: "f" } } };
    await client.patch(SERVICES, name, { kind: "apply", body, fieldManager: "test", force: true });
    expect(await client.get(SERVICES, name)).toMatchObject({
      metadata: { labels: { a: "b", c: "d", e: "f" } },
      status,
    });
    expect((await client.list(SERVICES, { labelSelector: "c=d" })).items).toHaveLength(1);
    await client.delete(SERVICES, name);
    await client.delete(SERVICES, name);
    expect(await client.get(SERVICES, name)).toBeUndefined();
    expect(await client.get(PODS, { name: "none" })).toBeUndefined();
  });

  test("agree on events", async () => {
    const reporter = createReporter(client, "test", silentLog());
    const web = await client.create(SERVICES, service("web"));
    for (let i = 0; i < 2; i++) {
      reporter.event(SERVICES, web, { type: "Normal", reason: "IPAllocated", message: "Assigned IP" });
      await reporter.flush();
    }
    const { items } = await client.list(EVENTS, { fieldSelector: "involvedObject.name=web" });
    expect(items).toEqual([expect.objectContaining({ reason: "IPAllocated", count: 2 })]);
  });
});

describe("startInformer() and the lab's API server", () => {
  test("reads more than one page", async () => {
    for (let i = 0; i < 1_200; i++)
      server.api.create(serviceResource(), "default", JSON.parse(JSON.stringify(service(`s${i}`))));
    const store = startInformer(client, SERVICES, { log: silentLog() }, stop.signal);
    await store.whenSynced;
    expect(store.list().length).toBe(1_201); // and the Service "kubernetes"
  });

  test("stays equal through changes, cut watches, failures and lost history", async () => {
    const store = startInformer(client, SERVICES, { log: silentLog() }, stop.signal);
    await store.whenSynced;
    const trouble = [
      () => {},
      () => server.cutWatches(),
      () => {
        const heal = server.faults.fail(() => true, 503);
        server.cutWatches();
        setTimeout(heal, 100);
      },
      () => server.store.forgetEvents(),
      () => {
        const heal = server.faults.fail(({ query }) => query.has("watch"), 429);
        server.cutWatches();
        server.store.forgetEvents();
        setTimeout(heal, 100);
      },
    ];
    for (const [round, happen] of trouble.entries()) {
      await client.create(SERVICES, service(`a${round}`));
      await client.create(SERVICES, service(`b${round}`));
      happen();
      server.api.patch(
        { resource: serviceResource(), namespace: "default", name: `a${round}` },
        { kind: "merge", body: { metadata: { labels: { round: String(round) } } } },
        "object",
      );
      server.api.remove({ resource: serviceResource(), namespace: "default", name: `b${round}` });
      await waitFor("the server to heal", () => client.list(SERVICES), { deadline: 3_000 });
      await untilEqual(store);
    }
  });

  test("catches up with a server that begins a new life with another history", async () => {
    for (let i = 0; i < 20; i++) await client.create(SERVICES, service(`old${i}`));
    const store = startInformer(client, SERVICES, { log: silentLog() }, stop.signal);
    await store.whenSynced;
    await server.close();
    server = await startServer(Number(new URL(server.url).port));
    expect(store.get("default/old0")).toBeDefined();
    await waitFor("the new server", () => client.create(SERVICES, service("new")), { deadline: 3_000 });
    await untilEqual(store);
    expect(store.get("default/old0")).toBeUndefined();
  });
});

function serviceResource() {
  const resource = server.api.registry.find("", "v1", "services");
  if (resource === undefined) throw new Error("the lab's API server has no Services");
  return resource;
}

import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Log, silentLog } from "../../../core/mod.ts";
import {
  ENDPOINT_SLICES,
  fakeKubeClient,
  fakeStore,
  type KubeClient,
  NODES,
  openObjectCache,
  SERVICES,
  startInformer,
  type V1Service,
} from "../../../kube/mod.ts";
import { waitFor } from "../../support/wait.ts";

let folder: string;
let path: string;
let stop: AbortController;
/** The stable names of the warnings logged. */
let told: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "object-cache-"));
  path = join(folder, "objects.db");
  stop = new AbortController();
  told = [];
});
afterEach(() => {
  stop.abort();
  rmSync(folder, { recursive: true });
});

const log: Log = Object.assign(Object.create(silentLog()), {
  warn: ({ event }: { event: string }) => void told.push(event),
  child: () => log,
});
const service = (name: string, resourceVersion = "1", port = 80): V1Service => ({
  metadata: { name, namespace: "d", uid: name, resourceVersion },
  spec: { ports: [{ port }] },
});
/** What a program that starts now would find. */
const kept = () => openObjectCache(path, silentLog()).read(SERVICES);
const untilKept = (what: string, look: (objects: readonly V1Service[]) => boolean) =>
  waitFor(what, () => look(kept() ?? []), { deadline: 5_000 });
const ports = (objects: readonly V1Service[]) =>
  objects.map(({ metadata, spec }) => `${metadata?.name}:${spec?.ports?.[0]?.port}`);

describe("openObjectCache()", () => {
  test("knows nothing of a kind before all its objects are written", () => {
    const cache = openObjectCache(path, log);
    expect(cache.read(SERVICES)).toBeUndefined();
    expect(told).toEqual([]);
  });

  test("keeps what the store holds, and follows its changes", async () => {
    const store = fakeStore([service("a"), service("b")]);
    openObjectCache(path, log).follow(SERVICES, store, stop.signal);
    await untilKept("both", (objects) => objects.length === 2);
    store.set(service("a", "2", 81));
    store.remove("d/b");
    store.set(service("c"));
    await untilKept("the changes", (objects) => ports(objects).join() === "a:81,c:80");
    expect(openObjectCache(path, log).read(NODES)).toBeUndefined();
  });

  test("keeps that there is none, which is another thing than not knowing", async () => {
    openObjectCache(path, log).follow(SERVICES, fakeStore<V1Service>(), stop.signal);
    await waitFor("an empty list", () => kept()?.length === 0, { deadline: 5_000 });
  });

  test("brings the rows of an earlier run to the store, writing only what differs", async () => {
    const earlier = new AbortController();
    openObjectCache(path, log).follow(SERVICES, fakeStore([service("a"), service("b"), service("c")]), earlier.signal);
    await untilKept("all three", (objects) => objects.length === 3);
    earlier.abort();
    // The same version with another text: that it stays shows that the row was not written again.
    const store = fakeStore([service("a", "1", 9999), service("c", "2", 82), service("e")]);
    openObjectCache(path, log).follow(SERVICES, store, stop.signal);
    await untilKept("the difference", (objects) => ports(objects).join() === "a:80,c:82,e:80");
  });

  test("writes many objects without holding the program up", async () => {
    const store = fakeStore(Array.from({ length: 2_000 }, (_, i) => service(`s${i}`)));
    openObjectCache(path, log).follow(SERVICES, store, stop.signal);
    await untilKept("all of them", (objects) => objects.length === 2_000);
  });

  const broken: [name: string, breakIt: () => void][] = [
    ["a file that is no database", () => writeFileSync(path, "no database at all, but long enough to look like one")],
    ["a database of another layout", () => new DatabaseSync(path).exec("PRAGMA user_version = 99")],
    [
      "a row that is no JSON",
      () => {
        openObjectCache(path, silentLog());
        const db = new DatabaseSync(path);
        db.exec(
          "INSERT INTO complete VALUES ('/v1/services'); INSERT INTO object VALUES ('/v1/services', 'a', '1', '{')",
        );
        db.close();
      },
    ],
  ];
  test.each(broken)("makes %s anew, and says so once", async (_name, breakIt) => {
    breakIt();
    const cache = openObjectCache(path, log);
    expect(cache.read(SERVICES)).toBeUndefined();
    expect(cache.read(ENDPOINT_SLICES)).toBeUndefined();
    expect(told).toEqual(["cache.unusable"]);
    cache.follow(SERVICES, fakeStore([service("a")]), stop.signal);
    await untilKept("the object", (objects) => ports(objects).join() === "a:80");
  });

  test("works without a file where none can be made", () => {
    mkdirSync(path);
    const cache = openObjectCache(path, log);
    expect(cache.read(SERVICES)).toBeUndefined();
    cache.follow(SERVICES, fakeStore([service("a")]), stop.signal);
    expect(told).toEqual(["cache.unusable", "cache.off"]);
    expect(statSync(path).isDirectory()).toBe(true);
  });
});

describe("startInformer() with a cache", () => {
  async function fill(...objects: V1Service[]) {
    const earlier = new AbortController();
    openObjectCache(path, log).follow(SERVICES, fakeStore(objects), earlier.signal);
    await untilKept("the objects", (all) => all.length === objects.length);
    earlier.abort();
  }
  const start = (client: KubeClient) =>
    startInformer(client, SERVICES, { log, cache: openObjectCache(path, log) }, stop.signal);
  const never = () => new Promise<never>(() => {});
  const failing = async () => {
    throw new Error("no route to host");
  };

  test.each([
    ["refuses to answer", failing],
    ["does not answer at all", never],
  ])("uses what an earlier run knew while the API server %s", async (_name, list) => {
    await fill(service("a"), service("b"));
    const store = start({ ...fakeKubeClient(), list });
    await store.whenSynced;
    expect(ports(store.list())).toEqual(["a:80", "b:80"]);
    expect(store).toMatchObject({ synced: true, confirmed: false });
    expect(told.filter((event) => event === "informer.recalled")).toHaveLength(1);
  });

  test("knows nothing, and says so, when no run knew all", async () => {
    const store = start({ ...fakeKubeClient(), list: failing });
    await waitFor("a failure", () => told.includes("informer.retry"), { deadline: 2_000 });
    expect(store).toMatchObject({ synced: false, confirmed: false });
  });

  test("takes the cluster's word once there is one, and tells only what differs", async () => {
    await fill(service("a"), service("gone"));
    const client = fakeKubeClient();
    await client.create(SERVICES, service("new"));
    let away = true;
    const list: KubeClient["list"] = (...call) => (away ? failing() : client.list(...call));
    const store = start({ ...client, list });
    await store.whenSynced;
    const heard: string[] = [];
    store.subscribe(({ key, after }) => heard.push(`${after === undefined ? "-" : "+"}${key}`));
    away = false;
    await waitFor("the cluster's word", () => store.confirmed, { deadline: 5_000 });
    expect(heard.sort()).toEqual(["+d/new", "-d/a", "-d/gone"]);
    await untilKept("the same in the file", (objects) => ports(objects).join() === "new:80");
  });

  test("does not look into the cache when the API server answers", async () => {
    await fill(service("old"));
    const store = start(fakeKubeClient());
    await store.whenSynced;
    expect(store).toMatchObject({ synced: true, confirmed: true });
    expect(store.list()).toEqual([]);
    expect(told).toEqual([]);
  });
});

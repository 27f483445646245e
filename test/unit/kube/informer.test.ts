import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { silentLog } from "../../../core/mod.ts";
import { clientOver } from "../../../kube/client.ts";
import {
  fakeKubeClient,
  type KubeClient,
  SERVICES,
  type Store,
  startInformer,
  type V1Service,
} from "../../../kube/mod.ts";
import { createTransport } from "../../../kube/transport.ts";
import { json, type Seen, type StandIn, startStandIn, statusObject } from "../../support/api-stand-in.ts";
import { waitFor } from "../../support/wait.ts";

const service = (name: string, resourceVersion: string): V1Service => ({
  metadata: { name, namespace: "d", resourceVersion, uid: name, managedFields: [{ manager: "kubectl" }] },
});
const line = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`;

let api: StandIn;
let stop: AbortController;
/** What the next lists say; the last one stays. */
let lists: { version: string; items: V1Service[] }[];
/** What becomes of the next watches; after the last one they stay open and quiet. */
let watches: ((response: ServerResponse) => void)[];
/** The watches that are open. */
let open: Set<ServerResponse>;

beforeEach(async () => {
  stop = new AbortController();
  lists = [];
  watches = [];
  open = new Set();
  api = await startStandIn(({ query }, response) => {
    if (query.has("watch")) {
      open.add(response.on("close", () => open.delete(response)));
      response.writeHead(200).flushHeaders();
      watches.shift()?.(response);
      return;
    }
    const { version, items } = (lists.length > 1 ? lists.shift() : lists[0]) ?? { version: "1", items: [] };
    json(response, { metadata: { resourceVersion: version }, items });
  });
});
afterEach(async () => {
  stop.abort();
  await api[Symbol.asyncDispose]();
});

function start(client: KubeClient = clientTo(api.url)) {
  const store = startInformer(client, SERVICES, { log: silentLog() }, stop.signal);
  const heard: string[] = [];
  store.subscribe(({ key, before, after }) => {
    heard.push(`${key} ${before?.metadata?.resourceVersion ?? "-"}>${after?.metadata?.resourceVersion ?? "-"}`);
  });
  return { store, heard };
}

function clientTo(url: string) {
  const authenticate = async () => ({ headers: {}, tls: {} });
  const credentials = { server: new URL(url), authenticate, forget: () => {} };
  return clientOver(createTransport(credentials, { userAgent: "test", timeout: 2_000 }));
}

const until = (what: string, look: () => boolean) => waitFor(what, look, { deadline: 4_000, every: 5 });
const watchesSeen = () => api.seen.filter(({ query }) => query.has("watch"));
const listsSeen = () => api.seen.filter(({ query }) => !query.has("watch"));
const versionsWatched = () => watchesSeen().map(({ query }: Seen) => query.get("resourceVersion"));
const names = (store: Store<V1Service>) =>
  store
    .list()
    .map(({ metadata }) => metadata?.name)
    .sort();

describe("startInformer()", () => {
  test("lists, then follows from the list's version", async () => {
    lists = [{ version: "10", items: [service("a", "3")] }];
    watches = [
      (response) => {
        response.write(line("ADDED", service("b", "11")) + line("MODIFIED", service("a", "12")));
        response.write(line("DELETED", service("b", "13")));
      },
    ];
    const { store, heard } = start();
    await store.whenSynced;
    await until("the events", () => heard.length === 4);
    expect(heard).toEqual(["d/a ->3", "d/b ->11", "d/a 3>12", "d/b 11>-"]);
    expect(names(store)).toEqual(["a"]);
    expect(versionsWatched()).toEqual(["10"]);
    expect(store.get("d/a")?.metadata).not.toHaveProperty("managedFields");
  });

  test("goes on from the last bookmark when the server ends a watch in order", async () => {
    lists = [{ version: "10", items: [] }];
    watches = [(response) => response.end(line("BOOKMARK", { metadata: { resourceVersion: "55" } }))];
    start();
    await until("the second watch", () => watchesSeen().length === 2);
    expect(versionsWatched()).toEqual(["10", "55"]);
    expect(listsSeen()).toHaveLength(1);
  });

  test("goes on from the last event when the connection breaks, without a list", async () => {
    lists = [{ version: "10", items: [] }];
    watches = [
      (response) => {
        response.write(line("ADDED", service("a", "20")));
        setTimeout(() => response.destroy(), 10);
      },
      (response) => void response.write(line("ADDED", service("b", "21"))),
    ];
    const { store, heard } = start();
    await until("the second event", () => heard.length === 2);
    expect(names(store)).toEqual(["a", "b"]);
    expect(versionsWatched()).toEqual(["10", "20"]);
    expect(listsSeen()).toHaveLength(1);
  });

  test.each([
    { name: "half a line", broken: '{"type":"MODIFIED","obj' },
    { name: "a line that is no JSON", broken: "#\n" },
  ])("begins the watch again at $name, and loses nothing", async ({ broken }) => {
    lists = [{ version: "10", items: [] }];
    watches = [
      (response) => response.end(line("ADDED", service("a", "20")) + broken),
      (response) => void response.write(line("MODIFIED", service("a", "21"))),
    ];
    const { heard } = start();
    await until("the change", () => heard.length === 2);
    expect(heard).toEqual(["d/a ->20", "d/a 20>21"]);
    expect(versionsWatched()).toEqual(["10", "20"]);
  });

  test.each([
    {
      name: "in the stream",
      expired: (response: ServerResponse) => {
        response.end(line("ERROR", statusObject(410, "Expired", "too old resource version")));
      },
    },
    {
      // What a server says that was restored from an older copy: its versions are behind ours.
      name: "as a version too large",
      expired: (response: ServerResponse) => {
        response.end(line("ERROR", statusObject(504, "Timeout", "Too large resource version")));
      },
    },
  ])("lists again when the version is refused $name, and tells what vanished meanwhile", async ({ expired }) => {
    lists = [
      { version: "10", items: [service("a", "3"), service("gone", "4"), service("same", "5")] },
      { version: "90", items: [service("a", "80"), service("same", "5"), service("new", "81")] },
    ];
    watches = [expired];
    const { store, heard } = start();
    await until("the second list", () => heard.length === 6);
    expect(heard.slice(3)).toEqual(["d/gone 4>-", "d/a 3>80", "d/new ->81"]);
    expect(names(store)).toEqual(["a", "new", "same"]);
    await until("the second watch", () => watchesSeen().length === 2);
    expect(versionsWatched()).toEqual(["10", "90"]);
  });

  test("does not spin when the server ends each watch at once", async () => {
    watches = Array.from({ length: 100 }, () => (response: ServerResponse) => void response.end());
    const begin = performance.now();
    start();
    await until("the third watch", () => watchesSeen().length === 3);
    // 50 to 100 ms lie before the second, 100 to 200 ms before the third.
    expect(performance.now() - begin).toBeGreaterThan(149);
  });

  test("keeps serving what it knows while the API server is away, and catches up", async () => {
    lists = [{ version: "10", items: [service("a", "3")] }];
    const { store, heard } = start();
    await until("the watch", () => watchesSeen().length === 1);
    const answer = api.answer;
    const before = api.seen.length;
    // The running watch breaks and three attempts fail, each in another way.
    let refusals = 3;
    api.answer = (seen, response) => {
      refusals--;
      if (refusals === 2) response.destroy();
      else if (refusals === 1) json(response, statusObject(429, "TooManyRequests", "slow down"), 429);
      else if (refusals === 0) json(response, {}, 503);
      else return answer(seen, response);
    };
    watches = [(response) => void response.write(line("MODIFIED", service("a", "99")))];
    lists = [{ version: "50", items: [service("a", "3")] }];
    for (const response of open) response.destroy();
    await until("three refusals", () => api.seen.length >= before + 3);
    expect(store.get("d/a")).toBeDefined();
    expect(store.synced).toBe(true);
    await until("the change", () => heard.length === 2);
    expect(heard).toEqual(["d/a ->3", "d/a 3>99"]);
  });

  test("is synced only after a list has come whole", async () => {
    const answer = api.answer;
    let failures = 2;
    api.answer = (seen, response) => (failures-- > 0 ? json(response, {}, 500) : answer(seen, response));
    lists = [{ version: "10", items: [service("a", "3")] }];
    const { store } = start();
    expect(store.synced).toBe(false);
    await store.whenSynced;
    expect(failures).toBeLessThan(0);
    expect(names(store)).toEqual(["a"]);
  });

  test.each([404, 403])(
    "counts a kind that is optional as empty when the server says %i, and asks it no more",
    async (status) => {
      api.answer = (_, response) => json(response, statusObject(status, "No", "no such kind"), status);
      const store = startInformer(clientTo(api.url), SERVICES, { log: silentLog(), optional: true }, stop.signal);
      await store.whenSynced;
      expect(names(store)).toEqual([]);
      // Longer than the first pauses.
      await new Promise((resolve) => setTimeout(resolve, 400));
      expect(api.seen).toHaveLength(1);
    },
  );

  test("asks again for a kind that is optional when the server fails", async () => {
    const answer = api.answer;
    let failures = 1;
    api.answer = (seen, response) => (failures-- > 0 ? json(response, {}, 500) : answer(seen, response));
    lists = [{ version: "10", items: [service("a", "3")] }];
    const store = startInformer(clientTo(api.url), SERVICES, { log: silentLog(), optional: true }, stop.signal);
    await store.whenSynced;
    expect(names(store)).toEqual(["a"]);
  });

  test("ends with its signal: the connection closes and no further request comes", async () => {
    const { store } = start();
    await until("the watch", () => open.size === 1);
    stop.abort();
    await until("the end of the connection", () => open.size === 0);
    // Longer than the first pause: an informer still alive would be back.
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(api.seen).toHaveLength(2);
    expect(store.synced).toBe(true);
  });

  test("follows the fake API server through failures and lost history", async () => {
    const client = fakeKubeClient();
    client.seed(SERVICES, service("a", ""), service("b", ""));
    const { store } = start(client);
    await store.whenSynced;
    client.fail("watch", 500);
    client.fail("list", "unreachable", 2);
    client.cutWatches();
    await client.delete(SERVICES, { namespace: "d", name: "a" });
    client.expire();
    await client.create(SERVICES, service("c", ""));
    await until("the same objects", () => names(store).join() === "b,c");
  });
});

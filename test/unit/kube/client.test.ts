import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { explainError, hasCode } from "../../../core/mod.ts";
import { clientOver } from "../../../kube/client.ts";
import type { Credentials } from "../../../kube/credentials.ts";
import { type KubeClient, NODES, refusalStatus, SERVICES, type V1Service, type WatchEvent } from "../../../kube/mod.ts";
import { createTransport } from "../../../kube/transport.ts";
import { json, type StandIn, startStandIn, statusObject } from "../../support/api-stand-in.ts";
import { waitFor } from "../../support/wait.ts";

let api: StandIn;
let client: KubeClient;
const web = { metadata: { name: "web", namespace: "shop", resourceVersion: "3" } };
const webName = { name: "web", namespace: "shop" };

beforeEach(async () => {
  api = await startStandIn((_, response) => json(response, {}));
  client = clientTo(api.url);
});
afterEach(() => api[Symbol.asyncDispose]());

describe("requests", () => {
  test("get() asks for the object and gives it", async () => {
    api.answer = (_, response) => json(response, web);
    expect(await client.get(SERVICES, webName)).toEqual(web);
    expect(api.seen[0]).toMatchObject({ method: "GET", path: "/api/v1/namespaces/shop/services/web" });
    expect(api.seen[0]?.headers).toMatchObject({ "user-agent": "test", accept: "application/json" });
  });

  test("get() gives undefined when the server says that there is no such object", async () => {
    api.answer = (_, response) => json(response, statusObject(404, "NotFound", 'services "web" not found'), 404);
    expect(await client.get(SERVICES, webName)).toBeUndefined();
  });

  test("get() throws when the path itself is unknown, as for a kind without its definition", async () => {
    api.answer = (_, response) => void response.writeHead(404).end("404 page not found\n");
    const error = await failureOf(client.get(SERVICES, webName));
    expect(error.message).toBe("get services shop/web: HTTP 404 Not Found: 404 page not found");
  });

  test("create() posts to the namespace, with apiVersion and kind", async () => {
    await client.create(SERVICES, web);
    expect(api.seen[0]).toMatchObject({ method: "POST", path: "/api/v1/namespaces/shop/services" });
    expect(JSON.parse(api.seen[0]?.body ?? "")).toEqual({ apiVersion: "v1", kind: "Service", ...web });
  });

  test("update() puts the object, or only its status", async () => {
    await client.update(SERVICES, web);
    await client.update(NODES, { metadata: { name: "node1" } }, "status");
    expect(api.seen.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "PUT /api/v1/namespaces/shop/services/web",
      "PUT /api/v1/nodes/node1/status",
    ]);
  });

  test.each([
    { patch: { kind: "merge", body: { a: 1 } } as const, type: "application/merge-patch+json", query: "" },
    { patch: { kind: "json", body: [{ op: "remove" }] } as const, type: "application/json-patch+json", query: "" },
    {
      patch: { kind: "apply", body: { a: 1 }, fieldManager: "me", force: true } as const,
      type: "application/apply-patch+yaml",
      query: "fieldManager=me&force=true",
    },
  ])("patch() of kind $patch.kind says how it is meant", async ({ patch, type, query }) => {
    await client.patch(SERVICES, webName, patch, "status");
    expect(api.seen[0]).toMatchObject({ method: "PATCH", path: "/api/v1/namespaces/shop/services/web/status" });
    expect(api.seen[0]?.headers["content-type"]).toBe(type);
    expect(api.seen[0]?.query.toString()).toBe(query);
  });

  test("delete() is content when the object is gone already", async () => {
    api.answer = (_, response) => json(response, statusObject(404, "NotFound", "gone"), 404);
    await client.delete(SERVICES, webName);
    expect(api.seen[0]?.method).toBe("DELETE");
  });

  test("delete() can shorten the time an object is given to end", async () => {
    await client.delete(SERVICES, webName, { gracePeriodSeconds: 0 });
    expect(api.seen[0]).toMatchObject({ method: "DELETE", path: "/api/v1/namespaces/shop/services/web" });
    expect(api.seen[0]?.query.toString()).toBe("gracePeriodSeconds=0");
  });

  test("requests share one connection", async () => {
    let connections = 0;
    await using counted = await startStandIn((_, response) => {
      connections = new Set([...ports, response.socket?.remotePort ?? 0]).size;
      ports.add(response.socket?.remotePort ?? 0);
      json(response, web);
    });
    const ports = new Set<number>();
    const caller = clientTo(counted.url);
    for (let i = 0; i < 5; i++) await caller.get(SERVICES, webName);
    expect(connections).toBe(1);
  });
});

describe("errors", () => {
  test("a refusal tells verb, resource, name, status, reason and message", async () => {
    api.answer = (_, response) => json(response, statusObject(409, "Conflict", "the object has been modified"), 409);
    const error = await failureOf(client.update(SERVICES, web, "status"));
    expect(explainError(error)).toBe(
      "update services/status shop/web: HTTP 409 Conflict: the object has been modified",
    );
    expect(hasCode(error, "IB_API_REFUSED")).toBe(true);
    expect(refusalStatus(error)).toBe(409);
  });

  test("a refusal by something else than the API server shows its words", async () => {
    api.answer = (_, response) => void response.writeHead(502).end("<h1>bad gateway</h1>");
    const error = await failureOf(client.list(SERVICES));
    expect(error.message).toBe("list services: HTTP 502 Bad Gateway: <h1>bad gateway</h1>");
    expect(refusalStatus(error)).toBe(502);
  });

  test("a connection refused is unreachable", async () => {
    await api[Symbol.asyncDispose]();
    const error = await failureOf(client.list(SERVICES));
    expect(hasCode(error, "IB_API_UNREACHABLE")).toBe(true);
    expect(explainError(error)).toMatch(
      /^list services: no answer from the API server at 127.0.0.1:\d+: connect ECONNREFUSED/,
    );
    expect(refusalStatus(error)).toBeUndefined();
  });

  test.each([
    { name: "before the status line", begin: false },
    { name: "in the middle of the answer", begin: true },
  ])("a server that falls silent $name is unreachable", async ({ begin }) => {
    api.answer = (_, response) => void (begin && response.writeHead(200).write('{"items":['));
    const error = await failureOf(clientTo(api.url, 100).list(SERVICES));
    expect(explainError(error)).toMatch(/^list services: no answer from the API server at .*: no answer within 0.1 s$/);
  });

  test("a connection dropped in the middle of the answer is unreachable", async () => {
    api.answer = (_, response) => {
      response.writeHead(200).write('{"items":[');
      setImmediate(() => response.destroy());
    };
    expect(hasCode(await failureOf(client.list(SERVICES)), "IB_API_UNREACHABLE")).toBe(true);
  });

  test("an answer that is no JSON is unreachable and shows its beginning", async () => {
    api.answer = (_, response) => void response.end("<html>login</html>");
    const error = await failureOf(client.list(SERVICES));
    expect(error.message).toBe("list services: the answer is no JSON: <html>login</html>");
  });

  test("a kept connection that the server closes at the moment of use is replaced", async () => {
    api.answer = (_, response) => json(response, web);
    await client.get(SERVICES, webName);
    let drops = 1;
    api.answer = (_, response) => void (drops-- > 0 ? response.destroy() : json(response, web));
    expect(await client.get(SERVICES, webName)).toEqual(web);
  });
});

describe("list()", () => {
  test("reads all pages and names the kind of each item", async () => {
    api.answer = ({ query }, response) => {
      const page = Number(query.get("continue") ?? 0);
      const items = [{ metadata: { name: `s${page}` } }];
      json(response, { metadata: { resourceVersion: `${5 + page}`, continue: page < 2 ? `${page + 1}` : "" }, items });
    };
    const { items, resourceVersion } = await client.list(SERVICES, { namespace: "shop", labelSelector: "a in (b,c)" });
    expect(items.map((item) => `${item.apiVersion} ${item.kind} ${item.metadata?.name}`)).toEqual([
      "v1 Service s0",
      "v1 Service s1",
      "v1 Service s2",
    ]);
    expect(resourceVersion).toBe("5");
    expect(api.seen.map(({ query }) => query.get("limit"))).toEqual(["500", "500", "500"]);
    expect(api.seen.every(({ query }) => query.get("labelSelector") === "a in (b,c)")).toBe(true);
    expect(api.seen[0]?.path).toBe("/api/v1/namespaces/shop/services");
  });

  test("begins anew in one piece when the continuation has expired", async () => {
    api.answer = ({ query }, response) => {
      if (query.has("continue")) json(response, statusObject(410, "Expired", "continue token expired"), 410);
      else if (query.has("limit")) json(response, { metadata: { resourceVersion: "5", continue: "x" }, items: [web] });
      else json(response, { metadata: { resourceVersion: "9" }, items: [web, web] });
    };
    expect(await client.list(SERVICES)).toMatchObject({ resourceVersion: "9", items: { length: 2 } });
  });

  test("takes null for no items, as servers written in Go say it", async () => {
    api.answer = (_, response) => json(response, { metadata: { resourceVersion: "1" }, items: null });
    expect(await client.list(SERVICES)).toEqual({ items: [], resourceVersion: "1" });
  });
});

describe("watch()", () => {
  const follow = (signal = new AbortController().signal) => {
    const events: WatchEvent<V1Service>[] = [];
    const done = client.watch(SERVICES, { resourceVersion: "3", signal }, (event) => events.push(event));
    return { events, done };
  };
  const added = `${JSON.stringify({ type: "ADDED", object: web })}\n`;

  test("gives events however they are cut, and resolves at the end", async () => {
    const line = Buffer.from(`${JSON.stringify({ type: "ADDED", object: { metadata: { name: "grüße-€" } } })}\n`);
    api.answer = async (_, response) => {
      response.writeHead(200);
      for (const octet of line) {
        response.write(Uint8Array.of(octet));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end(added);
    };
    const { events, done } = follow();
    await done;
    expect(events.map((event) => event.type === "ADDED" && event.object.metadata?.name)).toEqual(["grüße-€", "web"]);
    expect(api.seen[0]?.query.get("allowWatchBookmarks")).toBe("true");
    expect(api.seen[0]?.query.get("resourceVersion")).toBe("3");
    expect(Number(api.seen[0]?.query.get("timeoutSeconds"))).toBeGreaterThanOrEqual(300);
    expect(Number(api.seen[0]?.query.get("timeoutSeconds"))).toBeLessThanOrEqual(600);
  });

  test("resolves when its signal aborts, and closes the connection", async () => {
    let closed = false;
    api.answer = (_, response) => {
      response.on("close", () => {
        closed = true;
      });
      response.writeHead(200).write(added);
    };
    const stop = new AbortController();
    const { events, done } = follow(stop.signal);
    await waitFor("the event", () => events.length === 1, { deadline: 3_000 });
    stop.abort();
    await done;
    await waitFor("the server to see the end", () => closed, { deadline: 3_000 });
  });

  test.each([
    { name: "half a line at the end", send: `${added}{"type":"ADD`, code: "IB_API_UNREACHABLE" as const },
    { name: "a line that is no JSON", send: `${added}oops\n${added}`, code: "IB_API_UNREACHABLE" as const },
    {
      name: "an ERROR event",
      send: `${added}${JSON.stringify({ type: "ERROR", object: statusObject(410, "Expired", "too old") })}\n`,
      code: "IB_API_REFUSED" as const,
    },
  ])("throws at $name, after the events before it", async ({ send, code }) => {
    api.answer = (_, response) => void response.end(send);
    const { events, done } = follow();
    expect(hasCode(await failureOf(done), code)).toBe(true);
    expect(events).toHaveLength(1);
  });

  test("throws when the connection drops", async () => {
    api.answer = (_, response) => {
      response.writeHead(200).write(added);
      setTimeout(() => response.destroy(), 20);
    };
    const { events, done } = follow();
    expect(hasCode(await failureOf(done), "IB_API_UNREACHABLE")).toBe(true);
    expect(events).toHaveLength(1);
  });

  test("throws the refusal when the server won't watch", async () => {
    api.answer = (_, response) => json(response, statusObject(403, "Forbidden", "not you"), 403);
    expect(refusalStatus(await failureOf(follow().done))).toBe(403);
  });
});

describe("stream()", () => {
  test("counts a connection as dead after its time of silence", async () => {
    api.answer = (_, response) => void response.writeHead(200).write("x");
    const texts: string[] = [];
    const request = { what: "watch services", method: "GET", path: "/" } as const;
    const done = transportTo(api.url, 1_000).stream(request, 50, new AbortController().signal, (t) => texts.push(t));
    expect(explainError(await failureOf(done))).toMatch(/^watch services: no answer .*: silent for 0.05 s$/);
    expect(texts).toEqual(["x"]);
  });
});

function transportTo(url: string, timeout: number) {
  const credentials: Credentials = {
    server: new URL(url),
    authenticate: async () => ({ headers: {}, tls: {} }),
    forget: () => {},
  };
  return createTransport(credentials, { userAgent: "test", timeout });
}

function clientTo(url: string, timeout = 3_000): KubeClient {
  return clientOver(transportTo(url, timeout));
}

async function failureOf(call: Promise<unknown>): Promise<Error> {
  const error = await call.then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof Error) return error;
  throw new Error("the call did not fail");
}

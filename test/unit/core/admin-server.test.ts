import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type AdminServer,
  type AdminServerOptions,
  Counter,
  createMetrics,
  type Readiness,
  silentLog,
  startAdminServer,
} from "../../../core/mod.ts";

let stop: AbortController;
let server: AdminServer;
let readiness: Readiness;
let state: () => unknown;
let options: AdminServerOptions;

beforeEach(async () => {
  stop = new AbortController();
  readiness = { ready: true, reasons: [] };
  state = () => ({});
  const metrics = createMetrics();
  new Counter({ name: "answers_total", help: "Answers", registers: [metrics] }).inc(3);
  options = {
    listen: { host: "127.0.0.1", port: 0 },
    metrics,
    ready: () => readiness,
    state: () => state(),
    log: silentLog(),
  };
  server = await startAdminServer(options, stop.signal);
});
afterEach(async () => {
  stop.abort();
  await server.done;
});

const page = async (path: string, method = "GET") => {
  const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
  return { status: answer.status, type: answer.headers.get("content-type"), body: await answer.text() };
};

describe("startAdminServer()", () => {
  test("serves metrics as Prometheus reads them", async () => {
    const { status, type, body } = await page("/metrics");
    expect(status).toBe(200);
    expect(type).toContain("text/plain; version=0.0.4");
    expect(body).toContain("answers_total 3");
  });

  test("says that the process is alive", async () => {
    expect(await page("/healthz?verbose")).toMatchObject({ status: 200, body: "ok\n" });
  });

  test("is ready when the program says so, and tells why when not", async () => {
    expect(await page("/readyz")).toMatchObject({ status: 200 });
    readiness = { ready: false, reasons: ["services are not synced", "no rules yet"] };
    expect(await page("/readyz")).toMatchObject({
      status: 503,
      body: "not ready\nservices are not synced\nno rules yet\n",
    });
  });

  test("prints the state as JSON, maps and sets and big numbers too", async () => {
    state = () => ({ held: new Map([["a", 1n]]), up: new Set(["b"]) });
    const { type, body } = await page("/debug/state");
    expect(type).toBe("application/json");
    expect(JSON.parse(body)).toEqual({ held: { a: "1" }, up: ["b"] });
  });

  test("answers 500 when the state can't be told, and goes on", async () => {
    state = () => {
      throw new Error("broken");
    };
    expect((await page("/debug/state")).status).toBe(500);
    expect((await page("/healthz")).status).toBe(200);
  });

  test("refuses other paths and methods", async () => {
    expect((await page("/")).status).toBe(404);
    expect((await page("/metrics", "POST")).status).toBe(405);
    expect(await page("/healthz", "HEAD")).toMatchObject({ status: 200, body: "" });
  });

  test("frees the port when its signal aborts, though somebody is connected", async () => {
    const idle = connect(server.port, "127.0.0.1").on("error", () => {});
    await new Promise((resolve) => idle.once("connect", resolve));
    stop.abort();
    await server.done;
    const again = new AbortController();
    const second = await startAdminServer(
      { ...options, listen: { host: "127.0.0.1", port: server.port } },
      again.signal,
    );
    again.abort();
    await second.done;
  });

  test("names the address that is in use", async () => {
    const listen = { host: "127.0.0.1", port: server.port };
    await expect(startAdminServer({ ...options, listen }, stop.signal)).rejects.toMatchObject({
      code: "IB_OPTION_INVALID",
      message: `cannot listen on 127.0.0.1 port ${server.port}`,
    });
  });
});

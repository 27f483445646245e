import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { IronbridgeError } from "./errors.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";

export interface AdminServerOptions {
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly metrics: Metrics;
  /** Whether the program does its work, and if not, why: one short sentence a reason. */
  readonly ready: () => Readiness;
  /** What the program knows, small enough to read: JSON at /debug/state. */
  readonly state: () => unknown;
  readonly log: Log;
}

export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

export interface AdminServer {
  readonly port: number;
  /** Resolves once the signal was aborted and the port is free again. */
  readonly done: Promise<void>;
}

interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const TEXT = "text/plain; charset=utf-8";

/**
 * Serves /metrics (Prometheus), /healthz (the process turns its event loop), /readyz (503 with reasons until it does its
 * work) and /debug/state over plain HTTP, until `signal` aborts.
 * @throws {IronbridgeError} IB_OPTION_INVALID when the address can't be listened on.
 */
export async function startAdminServer(options: AdminServerOptions, signal: AbortSignal): Promise<AdminServer> {
  const { host, port } = options.listen;
  const server = createServer((request, response) => void answer(request, response, options));
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(new IronbridgeError("IB_OPTION_INVALID", `cannot listen on ${host} port ${port}`, { cause })),
    );
    server.listen({ host, port }, resolve);
  });
  const done = new Promise<void>((resolve) => server.once("close", resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  signal.addEventListener("abort", close, { once: true });
  if (signal.aborted) close();
  // Between the listening and the answer the port can't change.
  return { port: (server.address() as AddressInfo | null)?.port ?? port, done };
}

async function answer(request: IncomingMessage, response: ServerResponse, options: AdminServerOptions) {
  const { status, type, body } = await pageFor(request, options).catch((error): Page => {
    options.log.error({ event: "admin.failed", path: request.url, err: error }, "could not make a page");
    return { status: 500, type: TEXT, body: "failed, see the log\n" };
  });
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" });
  response.end(request.method === "HEAD" ? undefined : body);
}

async function pageFor(request: IncomingMessage, options: AdminServerOptions): Promise<Page> {
  if (request.method !== "GET" && request.method !== "HEAD") return { status: 405, type: TEXT, body: "GET only\n" };
  switch (request.url?.split("?")[0]) {
    case "/metrics":
      return { status: 200, type: options.metrics.contentType, body: await options.metrics.metrics() };
    case "/healthz":
      return { status: 200, type: TEXT, body: "ok\n" };
    case "/readyz":
      return readinessPage(options.ready());
    case "/debug/state":
      return { status: 200, type: "application/json", body: `${printState(options.state())}\n` };
    default:
      return { status: 404, type: TEXT, body: "pages: /metrics /healthz /readyz /debug/state\n" };
  }
}

function readinessPage({ ready, reasons }: Readiness): Page {
  if (ready) return { status: 200, type: TEXT, body: "ok\n" };
  return { status: 503, type: TEXT, body: `not ready\n${reasons.map((reason) => `${reason}\n`).join("")}` };
}

/** JSON, with the types that JSON has no word for: maps as objects, sets as arrays, big numbers as text. */
function printState(state: unknown): string {
  const plain = (_key: string, value: unknown) => {
    if (value instanceof Map) return Object.fromEntries(value);
    if (value instanceof Set) return [...value];
    return typeof value === "bigint" ? String(value) : value;
  };
  return JSON.stringify(state, plain, 2) ?? "null";
}

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One request as the stand-in received it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type Answer = (seen: Seen, response: ServerResponse) => void | Promise<void>;

export interface StandIn extends AsyncDisposable {
  readonly url: string;
  readonly seen: readonly Seen[];
  /** Takes the place of the answer given before. */
  answer: Answer;
}

/** An HTTP server on loopback whose every answer the test writes. */
export async function startStandIn(answer: Answer, server: Server = createServer()): Promise<StandIn> {
  const seen: Seen[] = [];
  server.on("request", async (request: IncomingMessage, response: ServerResponse) => {
    const parts: string[] = [];
    for await (const part of request.setEncoding("utf8")) parts.push(part);
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://stand-in");
    const one = {
      method: request.method ?? "",
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body: parts.join(""),
    };
    seen.push(one);
    await standIn.answer(one, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const standIn: StandIn = {
    url: `http://127.0.0.1:${port}`,
    seen,
    answer,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return standIn;
}

export function json(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** A refusal as the API server writes it. */
export function statusObject(code: number, reason: string, message: string) {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message };
}

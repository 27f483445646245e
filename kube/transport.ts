import * as http from "node:http";
import * as https from "node:https";
import { hasCode, IronbridgeError } from "../core/mod.ts";
import type { Authentication, Credentials } from "./credentials.ts";
import { refusedByAnswer, unreachable } from "./refusal.ts";

/** One HTTP request to the API server. */
export interface ApiRequest {
  /** The call in words, for errors: "patch services default/web". */
  readonly what: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With the query. */
  readonly path: string;
  readonly contentType?: string;
  readonly body?: string;
}

/** HTTP to the API server. Throws IB_API_UNREACHABLE when no whole answer came, IB_API_REFUSED for any status but 2xx. */
export interface Transport {
  /** The body of the answer. */
  send(request: ApiRequest): Promise<string>;
  /**
   * Hands over the body piece by piece. Resolves at its orderly end and when `signal` aborts.
   * @param silence Milliseconds without a byte after which the connection counts as dead.
   */
  stream(request: ApiRequest, silence: number, signal: AbortSignal, onText: (text: string) => void): Promise<void>;
}

export interface TransportOptions {
  readonly userAgent: string;
  /** Milliseconds from the call to the whole answer, or to the first byte of a stream. */
  readonly timeout: number;
}

/** Requests at a time: more wait their turn, since each needs a connection. Streams are not counted. */
const MOST_REQUESTS = 32;
/** Milliseconds of quiet after which TCP asks whether the peer is there; a dead one is noticed some 10 s later. */
const TCP_KEEPALIVE = 15_000;

export function createTransport(credentials: Credentials, options: TransportOptions): Transport {
  const secure = credentials.server.protocol === "https:";
  const agent = (maxSockets: number) =>
    secure ? new https.Agent({ keepAlive: true, maxSockets }) : new http.Agent({ keepAlive: true, maxSockets });
  const requests = agent(MOST_REQUESTS);
  const streams = agent(Number.POSITIVE_INFINITY);

  const begin = (request: ApiRequest, { headers, tls }: Authentication, over: http.Agent) => {
    const { hostname, port, pathname } = credentials.server;
    const call = (secure ? https : http).request({
      ...tls,
      agent: over,
      host: hostname.replace(/^\[(.*)\]$/, "$1"),
      port: port === "" ? (secure ? 443 : 80) : Number(port),
      path: pathname.replace(/\/$/, "") + request.path,
      method: request.method,
      headers: requestHeaders(request, headers, options.userAgent),
    });
    call.once("socket", (socket) => socket.setKeepAlive(true, TCP_KEEPALIVE));
    call.end(request.body);
    return call;
  };

  /** Waits for the status line; anything but success becomes an error, with the body in it. */
  const accepted = async (request: ApiRequest, call: http.ClientRequest) => {
    const answer = await answerTo(call);
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    if (status === 401) credentials.forget();
    throw refusedByAnswer(request.what, status, await textOf(answer));
  };

  const once = async (request: ApiRequest): Promise<string> => {
    const call = begin(request, await credentials.authenticate(), requests);
    const stop = destroyAfter(call, options.timeout);
    try {
      return await textOf(await accepted(request, call));
    } catch (error) {
      if (mayRepeat(request, call, error)) return await once(request);
      throw error;
    } finally {
      stop();
    }
  };

  return {
    async send(request) {
      try {
        return await once(request);
      } catch (error) {
        throw inWords(request.what, credentials.server.host, error);
      }
    },

    async stream(request, silence, signal, onText) {
      if (signal.aborted) return;
      let call: http.ClientRequest | undefined;
      const abort = () => void call?.destroy();
      signal.addEventListener("abort", abort, { once: true });
      try {
        const authentication = await credentials.authenticate();
        if (signal.aborted) return;
        call = begin(request, authentication, streams);
        const stop = destroyAfter(call, options.timeout);
        const answer = await accepted(request, call).finally(stop);
        await readPieces(answer, silence, (text) => {
          if (!signal.aborted) onText(text);
        });
      } catch (error) {
        if (!signal.aborted) throw inWords(request.what, credentials.server.host, error);
      } finally {
        signal.removeEventListener("abort", abort);
        call?.destroy();
      }
    },
  };
}

function requestHeaders(request: ApiRequest, headers: Authentication["headers"], userAgent: string) {
  return {
    ...headers,
    accept: "application/json",
    "user-agent": userAgent,
    ...(request.body === undefined
      ? {}
      : {
          "content-type": request.contentType ?? "application/json",
          "content-length": String(Buffer.byteLength(request.body)),
        }),
  };
}

function answerTo(call: http.ClientRequest): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    call.once("response", resolve);
    call.on("error", reject);
  });
}

async function textOf(answer: http.IncomingMessage): Promise<string> {
  const parts: string[] = [];
  for await (const part of answer.setEncoding("utf8")) parts.push(part);
  return parts.join("");
}

async function readPieces(answer: http.IncomingMessage, silence: number, onText: (text: string) => void) {
  const quiet = new Error(`silent for ${silence / 1000} s`);
  const timer = setTimeout(() => answer.destroy(quiet), silence);
  try {
    for await (const text of answer.setEncoding("utf8")) {
      timer.refresh();
      onText(text);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Gives up on a call after `ms`; the returned function calls that off. */
function destroyAfter(call: http.ClientRequest, ms: number): () => void {
  // Once there is an answer, only destroying that one tells its reader why.
  let target: { destroy(error: Error): unknown } = call;
  call.once("response", (answer) => {
    target = answer;
  });
  const timer = setTimeout(() => target.destroy(new Error(`no answer within ${ms / 1000} s`)), ms);
  return () => clearTimeout(timer);
}

/**
 * A kept connection that the server closed at the moment of use says nothing about the server: once more on another one.
 * Only where doing it twice does no harm; each try takes a dead connection away, so this ends.
 */
function mayRepeat({ method }: ApiRequest, call: http.ClientRequest, error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  const harmless = method === "GET" || method === "PUT" || method === "DELETE";
  return harmless && call.reusedSocket && (code === "ECONNRESET" || code === "EPIPE");
}

function inWords(what: string, host: string, error: unknown): unknown {
  if (error instanceof IronbridgeError && hasCode(error, "IB_API_REFUSED")) return error;
  if (error instanceof IronbridgeError && hasCode(error, "IB_API_UNREACHABLE")) return error;
  if (error instanceof IronbridgeError) return new IronbridgeError(error.code, what, { cause: error });
  return unreachable(what, `no answer from the API server at ${host}`, error);
}

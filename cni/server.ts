import { chmodSync, mkdirSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { dirname } from "node:path";
import { explainError, IronbridgeError, type Log } from "../core/mod.ts";
import { listenLocally } from "../linux/mod.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import { type Answer, completeBody, decodeInvocation, encodeAnswer, failureAnswer, type Invocation } from "./frame.ts";
import { CNI_VERSIONS } from "./network-config.ts";

/** Milliseconds a plugin may take to send its request; it has it whole before it connects. */
const REQUEST_TIMEOUT = 5000;
/** sockaddr_un has room for 108 octets, the last of them zero. unix(7). */
const MAX_SOCKET_PATH = 107;
const NEWEST = CNI_VERSIONS[CNI_VERSIONS.length - 1]!;

export interface PluginService {
  /** Called when plugins find the socket, and before the first is answered. Never rejects. */
  readonly prepare: () => Promise<void>;
  /** Never rejects. */
  readonly answer: (invocation: Invocation) => Promise<Answer>;
}

/**
 * Answers plugins on a unix socket that only root can reach, until `signal` aborts. One request per connection.
 * Whatever arrives that is not a request gets an error as its answer and hurts nobody else.
 * @throws {IronbridgeError} IB_OPTION_INVALID for a path too long, IB_KERNEL_REFUSED for what can't be listened on
 */
export async function listenForPlugins(
  path: string,
  { prepare, answer }: PluginService,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    const message = `the socket path ${path} is longer than the ${MAX_SOCKET_PATH} octets the kernel allows`;
    throw new IronbridgeError("IB_OPTION_INVALID", message);
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  chmodSync(dirname(path), 0o700);
  rmSync(path, { force: true }); // left by an agent that was killed
  const prepared = Promise.withResolvers<void>();
  const inTurn = (invocation: Invocation) => prepared.promise.then(() => answer(invocation));
  const listener = listenLocally(path, (connection) => {
    const first = connection.receive();
    const invocation = wholeRequest(first);
    if (invocation === undefined) serve(connection.stream(), first, inTurn, log);
    else inTurn(invocation).then((reply) => connection.finish(encodeAnswer(reply)));
  });
  chmodSync(path, 0o600);
  signal.addEventListener("abort", () => listener.close(), { once: true });
  prepared.resolve(prepare());
  await prepared.promise;
}

/** Undefined as well for what can't become a request: who serves it finds out why. */
function wholeRequest(octets: Buffer): Invocation | undefined {
  try {
    const body = completeBody(octets);
    return body && decodeInvocation(body);
  } catch (error) {
    if (error instanceof CniError) return undefined;
    throw error;
  }
}

/** @param first What has come already. */
function serve(socket: Socket, first: Buffer, answer: PluginService["answer"], log: Log): void {
  const chunks = [first];
  let length = first.length;
  let done = false;

  const finish = (reply: Answer) => {
    done = true;
    socket.setTimeout(0);
    socket.end(encodeAnswer(reply));
  };
  const refuse = (error: unknown) => {
    log.warn(
      { event: "cni.request_refused", reason: explainError(error) },
      "what came on the plugin socket is no request",
    );
    finish(failureAnswer(error, NEWEST));
  };
  const accept = () => {
    try {
      const body = completeBody(Buffer.concat(chunks, length));
      if (body === undefined) return;
      const invocation = decodeInvocation(body);
      done = true;
      socket.setTimeout(0);
      answer(invocation).then(finish);
    } catch (error) {
      refuse(error);
    }
  };

  socket.setTimeout(REQUEST_TIMEOUT, () => {
    if (!done) refuse(incomplete(`within ${REQUEST_TIMEOUT} ms`));
  });
  socket.on("data", (chunk: Buffer) => {
    if (done) return;
    chunks.push(chunk);
    length += chunk.length;
    accept();
  });
  socket.on("end", () => {
    if (!done) refuse(incomplete("before the connection ended"));
  });
  // The plugin was killed by its runtime, which sends DEL next: nobody is left to tell.
  socket.on("error", (error) =>
    log.debug({ event: "cni.connection_lost", reason: explainError(error) }, "a plugin left"),
  );
  accept();
}

function incomplete(when: string): CniError {
  return new CniError(CniErrorCode.DecodingFailure, `a request that was not complete ${when}`);
}

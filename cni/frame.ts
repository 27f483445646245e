import { explainError } from "../core/mod.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";

/** What a container runtime gives a CNI plugin: the CNI_* environment and standard input. */
export interface Invocation {
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
}

/** What a CNI plugin gives back: its exit code and standard output. */
export interface Answer {
  /** 0 to 255. */
  readonly exit: number;
  readonly stdout: string;
}

/** Octets before the body: "ibc1", then the length of the body, 32 bits, big endian. cni/plugin.c is the other end. */
const FRAME_HEADER = 8;
/** Largest body, in octets: a GC call naming some thousand containers fits. */
export const MAX_FRAME = 1 << 20;
const MAGIC = Buffer.from("ibc1");

/**
 * The length of the body that `header` announces.
 * @throws {CniError} when those are not the first 8 octets of a request.
 */
export function decodeHeader(header: Buffer): number {
  if (!header.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new CniError(CniErrorCode.DecodingFailure, "this socket speaks only with the plugin ironbridge-cni");
  }
  const length = header.readUInt32BE(MAGIC.length);
  if (length > MAX_FRAME) {
    const message = `a request of ${length} octets, the largest allowed is ${MAX_FRAME}`;
    throw new CniError(CniErrorCode.DecodingFailure, message);
  }
  return length;
}

/** The body of the request in `received`, once all of it is there. @throws {CniError} as soon as it can't become one. */
export function completeBody(received: Buffer): Buffer | undefined {
  if (received.length < FRAME_HEADER) return undefined;
  const length = decodeHeader(received);
  return received.length < FRAME_HEADER + length ? undefined : received.subarray(FRAME_HEADER, FRAME_HEADER + length);
}

/**
 * Reads the body of a request: NAME=VALUE NUL for each CNI_ variable, NUL, standard input.
 * @throws {CniError} when it has another shape.
 */
export function decodeInvocation(body: Buffer): Invocation {
  const env: Record<string, string> = {};
  let at = 0;
  for (;;) {
    const end = body.indexOf(0, at);
    if (end === -1) throw new CniError(CniErrorCode.DecodingFailure, "a request whose environment does not end");
    if (end === at) break;
    const text = body.toString("utf8", at, end);
    const equals = text.indexOf("=");
    if (text.startsWith("CNI_") && equals > 0) env[text.slice(0, equals)] = text.slice(equals + 1);
    at = end + 1;
  }
  return { env, stdin: body.toString("utf8", at + 1) };
}

export function encodeAnswer({ exit, stdout }: Answer): Buffer {
  const body = Buffer.concat([Uint8Array.of(exit), Buffer.from(stdout)]);
  const header = Buffer.alloc(FRAME_HEADER);
  MAGIC.copy(header);
  header.writeUInt32BE(body.length, MAGIC.length);
  return Buffer.concat([header, body]);
}

/** The answer that tells a runtime of `error`, in the version of its configuration where that is known. */
export function failureAnswer(error: unknown, cniVersion: string): Answer {
  const { code, message, details } = error instanceof CniError ? error : internalError(error);
  const body = details === undefined ? { cniVersion, code, msg: message } : { cniVersion, code, msg: message, details };
  return { exit: 1, stdout: `${JSON.stringify(body)}\n` };
}

function internalError(error: unknown): CniError {
  return new CniError(CniErrorCode.Internal, explainError(error));
}

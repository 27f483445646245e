import { STATUS_CODES } from "node:http";
import { IronbridgeError } from "../core/mod.ts";

/** What an IB_API_REFUSED error was caused by. Prints as the words its message holds already. */
class Refusal {
  readonly status: number;
  /** Whether the API server itself said so, in a Status object, and not a path it doesn't serve or a proxy before it. */
  readonly considered: boolean;

  constructor(status: number, considered: boolean) {
    this.status = status;
    this.considered = considered;
  }

  toString(): string {
    return `HTTP ${this.status}`;
  }
}

/** The fields of the API's Status object that an error tells about. */
interface StatusObject {
  readonly kind?: string;
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** The refusal in the body of an answer, which is a Status object from the API server and anything from a proxy before it. */
export function refusedByAnswer(what: string, status: number, body: string): IronbridgeError {
  const object = statusObject(body);
  return object === undefined
    ? refused(what, new Refusal(status, false), { message: body.slice(0, 200).trim() })
    : refused(what, new Refusal(status, true), object);
}

/** The refusal in a watch's ERROR event, whose object is a Status. */
export function refusedByEvent(what: string, object: StatusObject): IronbridgeError {
  return refused(what, new Refusal(object.code ?? 500, true), object);
}

/** No answer came, or one that can't be read. */
export function unreachable(what: string, why: string, cause?: unknown): IronbridgeError {
  return new IronbridgeError("IB_API_UNREACHABLE", `${what}: ${why}`, cause === undefined ? {} : { cause });
}

/** The HTTP status of a refusal, or undefined for any other error. */
export function refusalStatus(error: unknown): number | undefined {
  return refusalOf(error)?.status;
}

/** True when the server knows the kind and says that there is no such object. */
export function isMissingObject(error: unknown): boolean {
  const refusal = refusalOf(error);
  return refusal?.status === 404 && refusal.considered;
}

function refused(what: string, refusal: Refusal, { reason, message }: StatusObject): IronbridgeError {
  const status = [`${what}: ${refusal}`, reason || STATUS_CODES[refusal.status]].filter(Boolean).join(" ");
  return new IronbridgeError("IB_API_REFUSED", message ? `${status}: ${message}` : status, { cause: refusal });
}

function refusalOf(error: unknown): Refusal | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (e.cause instanceof Refusal) return e.cause;
  }
  return undefined;
}

function statusObject(body: string): StatusObject | undefined {
  if (!body.startsWith("{")) return undefined;
  try {
    const object: StatusObject = JSON.parse(body);
    return object.kind === "Status" ? object : undefined;
  } catch {
    return undefined; // a proxy's page that only begins like JSON: the caller shows its text
  }
}

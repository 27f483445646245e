/**
 * Every code an operator can meet, with what to do about it. The code is the type of the failure and is never renamed;
 * the error reference page is generated from this table.
 */
export const ERROR_CODES = {
  IB_ADDRESS_INVALID: "Write an IPv4 or IPv6 address, a prefix (192.0.2.0/24) or a range (192.0.2.1-192.0.2.9).",
  IB_OPTION_INVALID: "Correct the flag or the setting; `ironbridge <command> --help` lists the values it takes.",
  IB_CONFIG_INVALID: "Correct the field named in the message and apply the object again.",
  IB_WIRE_TRUNCATED: "The sender's frame is short; capture it with tcpdump on the interface named.",
  IB_WIRE_MALFORMED:
    "The sender's message breaks its protocol; capture it with tcpdump and compare with the RFC named.",
  IB_KERNEL_REFUSED: "See the kernel's reason in the message; the program needs root (CAP_NET_ADMIN, CAP_NET_RAW).",
  IB_BINARY_MISSING: "Install the package that carries the program named in the message.",
  IB_API_REFUSED: "See the API server's reason in the message; check the kubeconfig and the RBAC of the program.",
  IB_API_UNREACHABLE: "Check that the API server's address in the kubeconfig answers from this node.",
  IB_NOT_LEADER: "Nothing to do: the replica that holds the Lease does the work.",
  IB_STORE_BROKEN: "Stop other agents of this node; if none runs, move the file aside and restart this node's pods.",
  IB_CNI_FAILED: "See the plugin's reason in the message and the log of the agent on that node.",
  IB_LAB_FAILED:
    "See the log named in the message; `make lab-down` removes what is left, then `make lab` starts afresh.",
  IB_BUILD_FAILED: "Correct what the message names and run the same make target again.",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An error an operator can act on: a stable code, one sentence, and the next step. */
export class IronbridgeError extends Error {
  override readonly name = "IronbridgeError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** What to do about it, in one sentence. */
  get remedy(): string {
    return ERROR_CODES[this.code];
  }
}

/** True when `error`, or anything it was caused by, carries `code`. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  for (let e = error; e instanceof Error; e = e.cause) {
    if (e instanceof IronbridgeError && e.code === code) return true;
  }
  return false;
}

/** The message of `error` and of everything that caused it, outermost first, on one line. */
export function explainError(error: unknown): string {
  const parts: string[] = [];
  for (let e = error; e !== undefined; e = e instanceof Error ? e.cause : undefined) {
    const text = e instanceof Error ? e.message : String(e);
    if (text !== "" && !parts.some((part) => part.includes(text))) parts.push(text);
  }
  return parts.join(": ");
}

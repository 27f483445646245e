/**
 * Error codes on the wire. 1 to 99 are the specification's, 100 and above are ours; 8 and 999 are the Go library's.
 * https://www.cni.dev/docs/spec/#error
 */
export const CniErrorCode = {
  IncompatibleVersion: 1,
  UnsupportedField: 2,
  UnknownContainer: 3,
  InvalidEnvironment: 4,
  IoFailure: 5,
  DecodingFailure: 6,
  InvalidConfig: 7,
  InvalidNetns: 8,
  TryAgainLater: 11,
  /** STATUS: ADD can't be served. */
  NotAvailable: 50,
  /** STATUS: ADD can't be served, and pods that run may have lost the network. */
  Degraded: 51,
  NoFreeAddress: 100,
  AlreadyAttached: 101,
  CheckFailed: 102,
  AddressRefused: 103,
  Internal: 999,
} as const;
export type CniErrorCode = (typeof CniErrorCode)[keyof typeof CniErrorCode];

/** A refusal as the CNI protocol has it: a number for the runtime, a sentence for people. */
export class CniError extends Error {
  override readonly name = "CniError";
  readonly code: CniErrorCode;
  readonly details: string | undefined;

  constructor(code: CniErrorCode, message: string, options: ErrorOptions & { readonly details?: string } = {}) {
    super(message, options);
    this.code = code;
    this.details = options.details;
  }
}

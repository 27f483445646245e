export interface ExecOptions {
  readonly input?: string;
  /** Milliseconds; 30,000 when absent. */
  readonly timeout?: number;
}

/**
 * Runs a program to its end and gives its standard output.
 * @throws {IronbridgeError} IB_BINARY_MISSING when it is not installed, IB_KERNEL_REFUSED with its exit code and words.
 */
export declare function exec(program: string, args: readonly string[], options?: ExecOptions): Promise<string>;

import { execa } from "execa";
import { IronbridgeError } from "../core/mod.ts";
import { type Netns, runInOptionalNetns } from "./netns.ts";
import { ownChild } from "./nft-origin.ts";

export interface ExecOptions {
  readonly input?: string;
  /** Milliseconds; 30,000 when absent. */
  readonly timeout?: number;
  /** Where the program runs; the namespace of this process when absent. */
  readonly netns?: Netns;
}

/** How a program ended. */
export interface ProgramResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end and gives its standard output.
 * @throws {IronbridgeError} IB_BINARY_MISSING when it is not installed, IB_KERNEL_REFUSED with its exit code and words.
 */
export async function exec(program: string, args: readonly string[], options?: ExecOptions): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(program, args, options);
  if (exitCode === 0) return stdout;
  const words = stderr.trim() === "" ? stdout.trim() : stderr.trim();
  throw new IronbridgeError("IB_KERNEL_REFUSED", `${commandLine(program, args)}: exit code ${exitCode}: ${words}`);
}

/**
 * As exec(), for callers who read the words of a failure themselves.
 * @throws {IronbridgeError} IB_BINARY_MISSING, or IB_KERNEL_REFUSED when it was killed or ran out of time.
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: ExecOptions = {},
): Promise<ProgramResult> {
  const { input, timeout = 30_000, netns } = options;
  // A child belongs to the namespace its parent's thread is in when it is started, and execa starts it at once.
  const child = runInOptionalNetns(netns, () =>
    execa(program, args, { ...inputOption(input), timeout, reject: false, stripFinalNewline: false }),
  );
  const release = ownChild(child.pid);
  try {
    const result = await child;
    if (result.exitCode !== undefined) {
      return { exitCode: result.exitCode, stdout: result.stdout, stderr: result.stderr };
    }
    if (result.code === "ENOENT") throw new IronbridgeError("IB_BINARY_MISSING", `${program} is not installed`);
    const reason = result.timedOut ? `not done after ${timeout} ms` : (result.shortMessage ?? "killed");
    throw new IronbridgeError("IB_KERNEL_REFUSED", `${commandLine(program, args)}: ${reason}`, { cause: result.cause });
  } finally {
    release();
  }
}

/** Without input a program reads the end of file at once. */
function inputOption(input: string | undefined): { input: string } | { stdin: "ignore" } {
  return input === undefined ? { stdin: "ignore" } : { input };
}

function commandLine(program: string, args: readonly string[]): string {
  return [program, ...args].join(" ");
}

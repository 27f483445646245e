import { execa } from "execa";
import { netnsPath } from "./topology.ts";

export interface CommandResult {
  /** 127 when the program does not exist, 137 when it was killed for taking too long. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  /** Milliseconds; 30,000 when absent. */
  readonly timeout?: number;
  /** The whole environment; that of this process when absent. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end. Never throws: a failing program is an answer here. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { exitCode, stdout, stderr, shortMessage } = await execa(program, args, {
    reject: false,
    timeout: options.timeout ?? 30_000,
    killSignal: "SIGKILL",
    ...(options.input !== undefined ? { input: options.input } : { stdin: "ignore" }),
    ...(options.env !== undefined ? { env: options.env, extendEnv: false } : {}),
  });
  if (exitCode !== undefined) return { exitCode, stdout, stderr };
  return { exitCode: 137, stdout, stderr: `${stderr}${shortMessage ?? ""}` };
}

/** Runs a program inside a named network namespace. */
export function runInHost(
  netns: string,
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return runCommand("nsenter", [`--net=${netnsPath(netns)}`, program, ...args], options);
}

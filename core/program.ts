import { explainError, hasCode, IronbridgeError } from "./errors.ts";
import { createLog } from "./log.ts";

/** What a program leaves behind for whoever started it. */
const ExitCode = { Success: 0, Failure: 1, WrongUsage: 2 } as const;

/**
 * Runs a program until `main` resolves, and ends the process.
 *
 * SIGTERM and SIGINT abort the signal that `main` got, so that it can put things in order; a second one ends the process
 * at once. Exit code: `process.exitCode` if main set it, else 0; 1 after a failure; 2 when the failure is a wrong flag or
 * setting. An error that nobody caught, in a timer or a forgotten promise, is logged as fatal and ends the process with 1.
 *
 * @param name Shown before an error and as the log's `program`.
 */
export async function runProgram(name: string, main: (signal: AbortSignal) => Promise<void>): Promise<never> {
  const stop = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(ExitCode.Failure);
    stop.abort();
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
  const onUncaught = (error: unknown) => dieUnexpectedly(name, error);
  process.on("uncaughtException", onUncaught);
  process.on("unhandledRejection", onUncaught);
  try {
    await main(stop.signal);
  } catch (error) {
    if (!(error instanceof IronbridgeError)) dieUnexpectedly(name, error);
    process.stderr.write(printFailure(name, error));
    process.exit(hasCode(error, "IB_OPTION_INVALID") ? ExitCode.WrongUsage : ExitCode.Failure);
  }
  process.exit(process.exitCode ?? ExitCode.Success);
}

/** The sentence, and the next step under it. */
function printFailure(name: string, error: IronbridgeError): string {
  return `${name}: ${explainError(error)} (${error.code})\n  ${error.remedy}\n`;
}

function dieUnexpectedly(name: string, error: unknown): never {
  createLog(name, "error").fatal({ event: "program.crashed", err: error }, "ended by an error that nobody caught");
  process.exit(ExitCode.Failure);
}

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type { Log } from "../core/mod.ts";
import { netnsPath } from "./topology.ts";

/** One of Ironbridge's own programs, as the DaemonSet or the Deployment of a real cluster would run it. */
export interface ProgramPlan {
  /** "agent-node1": shown in messages, and the name of its log file. */
  readonly name: string;
  readonly netns: string;
  readonly command: readonly string[];
  readonly logFile: string;
}

export interface Program {
  /** Undefined between two lives. */
  pid(): number | undefined;
  kill(signal: NodeJS.Signals): void;
  /** Asks it to end, kills it when it has not after three seconds, and starts it with another command. */
  replace(command: readonly string[]): Promise<void>;
  /** Ends it at once and does not start it again. */
  end(): Promise<void>;
}

/** A program that lived this long was well: it is started again at once when it dies. Milliseconds. */
const WELL_AFTER = 10_000;
const LONGEST_PAUSE = 5_000;
const STOP_PATIENCE = 3_000;

/** How long to wait before starting a program again that died `deathsInRow` times soon after its start. Pure. Milliseconds. */
export function programPause(deathsInRow: number): number {
  return deathsInRow <= 1 ? 0 : Math.min(250 * 2 ** (deathsInRow - 2), LONGEST_PAUSE);
}

/** Starts a program in a network namespace and starts it again whenever it dies. */
export function startProgram(plan: ProgramPlan, log: Log): Program {
  mkdirSync(dirname(plan.logFile), { recursive: true });
  let command = plan.command;
  let child: ChildProcess | undefined;
  let stopping = false;
  let deathsInRow = 0;
  let timer: NodeJS.Timeout | undefined;
  let gone: Promise<void> = Promise.resolve();

  const start = () => {
    const started = Date.now();
    const current = spawnProgram(plan, command);
    child = current;
    gone = new Promise((resolve) => {
      const end = (reason: string) => {
        resolve();
        if (child !== current) return;
        child = undefined;
        if (stopping) return;
        deathsInRow = Date.now() - started > WELL_AFTER ? 1 : deathsInRow + 1;
        log.warn({ event: "lab.program.died", program: plan.name, reason, log: plan.logFile }, "program died");
        timer = setTimeout(start, programPause(deathsInRow));
      };
      current.once("exit", (code, signal) => end(signal ?? `exit code ${code}`));
      current.once("error", (error) => end(error.message));
    });
  };
  const stop = async (signal: "SIGTERM" | "SIGKILL") => {
    stopping = true;
    clearTimeout(timer);
    const last = child;
    last?.kill(signal);
    const patience = setTimeout(() => last?.kill("SIGKILL"), STOP_PATIENCE);
    await gone;
    clearTimeout(patience);
  };

  start();
  return {
    pid: () => child?.pid,
    kill: (signal) => void child?.kill(signal),
    end: () => stop("SIGKILL"),
    replace: async (next) => {
      await stop("SIGTERM");
      stopping = false;
      deathsInRow = 0;
      command = next;
      start();
    },
  };
}

/** setpriv ends the program with this process, even when that is killed with no time to clean up. */
function spawnProgram(plan: ProgramPlan, command: readonly string[]): ChildProcess {
  const output = openSync(plan.logFile, "a");
  const args = ["--pdeathsig=KILL", "nsenter", `--net=${netnsPath(plan.netns)}`, ...command];
  const child = spawn("setpriv", args, { stdio: ["ignore", output, output], detached: true });
  closeSync(output);
  return child;
}

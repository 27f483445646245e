import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { constants } from "node:os";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { runCommand } from "./command.ts";
import { COMMAND_NOT_FOUND, type ContainerPlan, printContainerScript } from "./container-script.ts";
import { firstChild, signalProcess } from "./process-table.ts";

export interface ContainerExit {
  /** The program's exit code, or 128 plus the signal's number as shells and kubelets count it. */
  readonly exitCode: number;
  readonly finishedAt: Date;
}

/** A running container: the programs of this machine in namespaces of their own. */
export interface Container {
  readonly startedAt: Date;
  readonly exited: Promise<ContainerExit>;
  /** Undefined while it runs. */
  exit(): ContainerExit | undefined;
  /** Asks the first program to end, and kills all of them `graceMs` later. Resolves when the last one is gone. */
  stop(graceMs: number): Promise<void>;
  /** Runs `command` inside and gives its exit code, 137 when it took longer than `timeout` ms or the container is gone. */
  exec(command: readonly string[], timeout: number): Promise<number>;
}

/**
 * How long after its start a container is not asked to end, in milliseconds: the first process of a PID namespace does
 * not hear signals before it has a handler for them, so an early SIGTERM would be lost and the whole grace period waited.
 */
const DEAF_TIME = 500;

/**
 * Starts a container. The outer process keeps the PID namespace: when it or this process dies, so does all inside.
 * setpriv ties it to this process even when that is killed with no time to clean up.
 */
export function startContainer(plan: ContainerPlan): Container {
  mkdirSync(plan.rootDir, { recursive: true });
  mkdirSync(dirname(plan.logFile), { recursive: true });
  const log = openSync(plan.logFile, "a");
  const child = spawn(
    "setpriv",
    [
      "--pdeathsig=KILL",
      "nsenter",
      `--net=${plan.netnsPath}`,
      "unshare",
      "--mount",
      "--uts",
      "--ipc",
      "--pid",
      "--fork",
      "--kill-child=KILL",
      "sh",
      "-c",
      printContainerScript(plan),
    ],
    { stdio: ["ignore", log, log], detached: true },
  );
  closeSync(log);

  const startedAt = new Date();
  let ended: ContainerExit | undefined;
  const exited = new Promise<ContainerExit>((resolve) => {
    const end = (exitCode: number) => {
      ended = { exitCode, finishedAt: new Date() };
      resolve(ended);
    };
    child.once("exit", (code, signal) => end(exitCodeOf(code, signal)));
    child.once("error", () => end(COMMAND_NOT_FOUND)); // the tools of tools/setup are missing
  });
  const kill = () => child.kill("SIGKILL");

  return {
    startedAt,
    exited,
    exit: () => ended,
    stop: async (graceMs) => {
      if (graceMs > 0) await Promise.race([pause(Math.max(0, startedAt.getTime() + DEAF_TIME - Date.now())), exited]);
      if (ended !== undefined) return;
      // Signals go to the first process inside: unshare itself only waits for it.
      const inner = child.pid === undefined ? undefined : await firstChild(child.pid);
      if (graceMs === 0 || inner === undefined) kill();
      else signalProcess(inner, "SIGTERM");
      const timer = setTimeout(kill, graceMs);
      await exited;
      clearTimeout(timer);
    },
    exec: async (command, timeout) => {
      const inner = child.pid === undefined || ended !== undefined ? undefined : await firstChild(child.pid);
      if (inner === undefined) return exitCodeOf(null, "SIGKILL");
      const enter = [`--target=${inner}`, "--net", "--mount", "--uts", "--ipc", "--pid", "--root", "--wd=/"];
      return (await runCommand("nsenter", [...enter, ...command], { timeout })).exitCode;
    },
  };
}

/** Shells and kubelets count death by a signal as 128 plus its number. */
function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + constants.signals[signal ?? "SIGKILL"];
}

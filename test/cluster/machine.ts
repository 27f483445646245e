import { spawn } from "node:child_process";
import { closeSync, existsSync, globSync, openSync, rmdirSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type CommandOptions, type CommandResult, runCommand } from "../../lab/command.ts";
import { isRunning, pidsInNetns, signalProcess } from "../../lab/process-table.ts";
import { netnsPath } from "../../lab/topology.ts";
import { waitFor } from "../support/wait.ts";
import type { MachinePlan } from "./plan.ts";

const INIT = fileURLToPath(new URL("./machine-init.sh", import.meta.url));
const CGROUPS = "/sys/fs/cgroup";

/** Starts a machine with its units. It goes on after this process has ended. */
export async function startMachine(machine: MachinePlan): Promise<void> {
  await mkdir(join(machine.disk, "units"), { recursive: true });
  await mkdir(join(machine.disk, "var/log"), { recursive: true });
  await rm(pidFile(machine), { force: true });
  const log = openSync(join(machine.disk, "var/log/machine.log"), "a");
  const args = [`--net=${netnsPath(machine.netns)}`, INIT, machine.name, machine.disk, machine.netns];
  const child = spawn("nsenter", args, { stdio: ["ignore", log, log], detached: true });
  closeSync(log);
  const failed = new Promise<never>((_, reject) => {
    child.once("exit", () =>
      reject(new Error(`${machine.name} ended at once; see ${machine.disk}/var/log/machine.log`)),
    );
  });
  await Promise.race([waitFor(`${machine.name} to start`, () => machinePid(machine), { deadline: 10_000 }), failed]);
  child.unref();
}

/** Kills all processes of a machine at once, as a power cut does. Its network namespace and its disk stay. */
export async function killMachine(machine: MachinePlan): Promise<void> {
  const pid = await machinePid(machine);
  if (pid !== undefined) signalProcess(pid, "SIGKILL");
  // Also those of a machine whose start was interrupted.
  const gone = async () => {
    const pids = await pidsInNetns([netnsPath(machine.netns)]);
    for (const each of pids) signalProcess(each, "SIGKILL");
    return pids.length === 0;
  };
  await waitFor(`the processes of ${machine.name} to end`, gone, { deadline: 20_000 });
}

/** The first process of a machine, or undefined when it is not running. */
export async function machinePid(machine: MachinePlan): Promise<number | undefined> {
  const pid = Number(await readFile(pidFile(machine), "utf8").catch(() => "")); // none while it is off
  if (!(pid > 0) || !isRunning(pid)) return undefined;
  // The number may be another process's since.
  return (await pidsInNetns([netnsPath(machine.netns)])).includes(pid) ? pid : undefined;
}

/** Runs a program inside a machine. */
export async function runInMachine(
  machine: MachinePlan,
  command: readonly [string, ...string[]],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const pid = await machinePid(machine);
  return runCommand("nsenter", ["--target", String(pid), "--all", ...command], options);
}

/** Removes the cgroups that a machine made, those inside first. Those of a process stay until it has wholly ended. */
export async function removeMachineCgroups(machine: MachinePlan): Promise<void> {
  const trees = globSync([`${CGROUPS}/*/${machine.netns}`, `${CGROUPS}/${machine.netns}`]);
  for (const tree of trees) {
    const removed = () => {
      const inside = globSync(`${tree}/**/`).sort((a, b) => b.length - a.length);
      for (const path of new Set([...inside.map((path) => path.replace(/\/$/, "")), tree])) {
        if (existsSync(path)) rmdirSync(path);
      }
      return true;
    };
    await waitFor(`${tree} to be empty`, removed, { deadline: 10_000 });
  }
}

function pidFile(machine: MachinePlan): string {
  return join(machine.disk, "pid");
}

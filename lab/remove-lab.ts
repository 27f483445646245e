import { setTimeout as pause } from "node:timers/promises";
import { type LabDirectory, removeDirectory } from "./lab-directory.ts";
import { isRunning, pidsOfCommand, signalProcess } from "./process-table.ts";
import { labNetnsNames, removeTopology } from "./topology.ts";

/** The arguments of the process that holds a lab: by them it is found again. */
export function serveArguments(directory: LabDirectory): string[] {
  return ["lab", "serve", "--dir", directory.path];
}

/** The process that holds the lab of this directory, if there is one. */
export async function findServePid(directory: LabDirectory): Promise<number | undefined> {
  return (await pidsOfCommand(serveArguments(directory)))[0];
}

export interface Removed {
  readonly processes: number;
  readonly namespaces: number;
}

/** How long the process that holds the lab may take to put things in order. Milliseconds. */
const PATIENCE = 5_000;

/**
 * Removes everything of a lab: processes, namespaces with the links, rules and mounts in them, files. Looks for each by
 * its name instead of asking the lab, so it also works after a part of it was killed.
 */
export async function removeLab(directory: LabDirectory, tag: string | undefined): Promise<Removed> {
  const pids = await pidsOfCommand(serveArguments(directory));
  for (const pid of pids) signalProcess(pid, "SIGTERM");
  const namespaces = (await labNetnsNames(tag)).length;
  const end = Date.now() + PATIENCE;
  while (pids.some(isRunning) && Date.now() < end) await pause(20);
  for (const pid of pids.filter(isRunning)) signalProcess(pid, "SIGKILL");
  await removeTopology(tag);
  await removeDirectory(directory);
  return { processes: pids.length, namespaces };
}

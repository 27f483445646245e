import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { MachinePlan } from "./plan.ts";

/** A program that a machine keeps running. */
export interface Unit {
  /** Also the name of its log: var/log/NAME.log on the machine's disk. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
}

/** The unit as the shell script the machine starts. Pure. */
export function printUnit({ program, args }: Unit): string {
  const words = [program, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  return `#!/bin/sh\nexec ${words.join(" \\\n  ")}\n`;
}

export async function writeUnits(machine: MachinePlan, units: readonly Unit[]): Promise<void> {
  for (const unit of units) {
    const file = await writeOnDisk(machine, `units/${unit.name}`, printUnit(unit));
    await chmod(file, 0o755);
  }
}

/** Writes a file of a machine; `path` is as the machine sees it. Returns where it is on this computer. */
export async function writeOnDisk(machine: MachinePlan, path: string, text: string): Promise<string> {
  const file = join(machine.disk, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return file;
}

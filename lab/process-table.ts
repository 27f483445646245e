import { readdir, readFile, stat } from "node:fs/promises";

/** The numbers of all processes of this machine. proc(5). */
async function listPids(): Promise<number[]> {
  const names = await readdir("/proc");
  return names.filter((name) => /^\d+$/.test(name)).map(Number);
}

/** The processes whose network namespace is one of those at `paths`, this process excepted. */
export async function pidsInNetns(paths: readonly string[]): Promise<number[]> {
  const wanted = new Set<number>();
  for (const path of paths) {
    const inode = await inodeOf(path);
    if (inode !== undefined) wanted.add(inode);
  }
  if (wanted.size === 0) return [];
  const pids = (await listPids()).filter((pid) => pid !== process.pid);
  const inside = await Promise.all(
    pids.map(async (pid) => {
      const inode = await inodeOf(`/proc/${pid}/ns/net`);
      return inode !== undefined && wanted.has(inode);
    }),
  );
  return pids.filter((_, i) => inside[i]);
}

/** The first child of a process, or undefined when it has none or is gone. */
export async function firstChild(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const [child] = text.trim().split(" ");
  return child === undefined || child === "" ? undefined : Number(child);
}

/** The processes, this one excepted, whose arguments contain `words` one after the other. */
export async function pidsOfCommand(words: readonly string[]): Promise<number[]> {
  const wanted = `\0${words.join("\0")}\0`;
  const pids = (await listPids()).filter((pid) => pid !== process.pid);
  const matches = await Promise.all(
    pids.map(async (pid) => {
      const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""); // it may have ended
      return `\0${commandLine}`.includes(wanted);
    }),
  );
  return pids.filter((_, i) => matches[i]);
}

/** True while there is such a process. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Sends `signal`; false when the process is gone. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

async function inodeOf(path: string): Promise<number | undefined> {
  // A process may end, and a namespace may be deleted, between listing it and looking at it.
  return stat(path).then(
    (info) => info.ino,
    () => undefined,
  );
}

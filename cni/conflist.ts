import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

export const PLUGIN_TYPE = "ironbridge-cni";
export const CONFLIST_NAME = "10-ironbridge.conflist";

/** The configuration list that container runtimes read. */
export function printConflist(socketPath: string): string {
  const plugin = { type: PLUGIN_TYPE, agentSocket: socketPath };
  return `${JSON.stringify({ cniVersion: "1.0.0", name: "ironbridge", plugins: [plugin] }, null, 2)}\n`;
}

/** Puts the plugin where runtimes look for it and then the configuration that names it. Writes only what differs. */
export function installPlugin(options: {
  readonly shimPath: string;
  readonly binDir: string;
  readonly confDir: string;
  readonly socketPath: string;
}): void {
  replaceFile(join(options.binDir, PLUGIN_TYPE), readFileSync(options.shimPath), 0o755);
  replaceFile(join(options.confDir, CONFLIST_NAME), Buffer.from(printConflist(options.socketPath)), 0o644);
}

/**
 * Nobody ever sees half a file. The new one is written in the same directory, under a name that runtimes skip, because
 * containerd notices only files renamed within the directory.
 */
function replaceFile(path: string, content: Buffer, mode: number): void {
  if (readIfThere(path)?.equals(content)) return;
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, content);
  chmodSync(temporary, mode);
  renameSync(temporary, path);
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

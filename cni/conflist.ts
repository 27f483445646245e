import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { foreignListProblem } from "./foreign-list.ts";

const PLUGIN_TYPE = "ironbridge-cni";
const VERSIONS = { cniVersion: "1.0.0", cniVersions: ["1.0.0", "1.1.0"] };
/** What runtimes are to tell for each pod. */
const CAPABILITIES = {
  portMappings: true,
  bandwidth: true,
  ips: true,
  ipRanges: true,
  mac: true,
  "io.kubernetes.cri.pod-annotations": true,
};
/** What containerd starts beside every network; the same program under another name. */
const LOOPBACK_TYPE = "loopback";
/** What every version of our program holds, and nobody else's. */
const OWN_MARK = "/run/ironbridge";
const CONFLIST_NAME = "10-ironbridge.conflist";

/**
 * The configuration list that container runtimes read. Those that know cniVersions (CNI 1.1) take the newest they speak;
 * the others refuse a cniVersion they do not know.
 */
function printConflist(socketPath: string): string {
  const plugin = { type: PLUGIN_TYPE, agentSocket: socketPath, capabilities: CAPABILITIES };
  return `${JSON.stringify({ ...VERSIONS, name: "ironbridge", plugins: [plugin] }, null, 2)}\n`;
}

export interface InstallOptions {
  /** The built plugin. */
  readonly shimPath: string;
  /** Where the container runtime looks for plugins (/opt/cni/bin) and their configuration (/etc/cni/net.d). */
  readonly binDir: string;
  readonly confDir: string;
  /** Unix socket for the plugin; its directory becomes root's alone. At most 107 characters. */
  readonly socketPath: string;
}

/**
 * Puts the plugin where runtimes look for it and then the configuration that names it; each call of the function
 * returned puts back what has gone since, and says in a sentence why runtimes use that of others all the same. Writes
 * only what differs.
 */
export function pluginInstaller({ shimPath, binDir, confDir, socketPath }: InstallOptions): () => string | undefined {
  const plugin = join(binDir, PLUGIN_TYPE);
  const loopback = join(binDir, LOOPBACK_TYPE);
  const conflist = Buffer.from(printConflist(socketPath));
  let compared = false; // once is enough for a program of this size: only we write it
  return () => {
    if (!compared || !existsSync(plugin)) replaceFile(plugin, readFileSync(shimPath), 0o755);
    // Anybody's will do, but ours of an earlier version is brought up to date.
    if (!existsSync(loopback) || (!compared && isOwnProgram(loopback))) {
      replaceFile(loopback, readFileSync(shimPath), 0o755);
    }
    compared = true;
    replaceFile(join(confDir, CONFLIST_NAME), conflist, 0o644);
    return foreignListProblem(confDir, CONFLIST_NAME, PLUGIN_TYPE);
  };
}

/** Takes the configuration away from container runtimes, which add no pod with it from then on. */
export function removeConfiguration(confDir: string): void {
  rmSync(join(confDir, CONFLIST_NAME), { force: true });
}

/** Removes the plugin under both names; the loopback plugin of others stays. */
export function removePrograms(binDir: string): void {
  rmSync(join(binDir, PLUGIN_TYPE), { force: true });
  const loopback = join(binDir, LOOPBACK_TYPE);
  if (isOwnProgram(loopback)) rmSync(loopback);
}

function isOwnProgram(path: string): boolean {
  return readIfThere(path)?.includes(OWN_MARK) ?? false;
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

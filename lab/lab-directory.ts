import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { IronbridgeError } from "../core/mod.ts";

/** Longest path of a unix socket, without the zero at the end. unix(7). */
const SOCKET_PATH_LIMIT = 107;

/** The files of a lab, all below one directory. */
export interface LabDirectory {
  readonly path: string;
  /** For kubectl on this machine. */
  readonly kubeconfig: string;
  /** For programs inside the lab. */
  readonly lanKubeconfig: string;
  /** The shared secret of the agents. */
  readonly memberKey: string;
  /** What the process that holds the lab says. */
  readonly log: string;
  logOf(program: string): string;
  node(name: string): NodeDirectory;
}

/** What would be in /var/lib, /run, /opt/cni and /etc/cni of a node. */
export interface NodeDirectory {
  readonly state: string;
  readonly run: string;
  readonly cniBin: string;
  readonly cniConf: string;
  readonly cniCache: string;
  readonly pods: string;
}

/** @param path Absolute. */
export function labDirectory(path: string): LabDirectory {
  return {
    path,
    kubeconfig: join(path, "kubeconfig"),
    lanKubeconfig: join(path, "lan.kubeconfig"),
    memberKey: join(path, "member.key"),
    log: join(path, "log", "lab.log"),
    logOf: (program) => join(path, "log", `${program}.log`),
    node: (name) => ({
      state: join(path, name, "state"),
      run: join(path, name, "run"),
      cniBin: join(path, name, "cni", "bin"),
      cniConf: join(path, name, "cni", "net.d"),
      cniCache: join(path, name, "cni", "cache"),
      pods: join(path, name, "pods"),
    }),
  };
}

/** Makes the directories of a new lab; what an earlier one left there goes, but not its logs. */
export async function prepareDirectory(directory: LabDirectory, nodes: readonly string[]): Promise<void> {
  const longest = join(directory.node(nodes.at(-1) ?? "").run, "cni.sock");
  if (Buffer.byteLength(longest) > SOCKET_PATH_LIMIT) {
    throw new IronbridgeError(
      "IB_OPTION_INVALID",
      `lab directory ${directory.path} is too deep: ${longest} is longer than the ${SOCKET_PATH_LIMIT} octets a socket's path may have`,
    );
  }
  await mkdir(join(directory.path, "log"), { recursive: true });
  for (const name of nodes) {
    await rm(join(directory.path, name), { recursive: true, force: true });
    for (const path of Object.values(directory.node(name))) await mkdir(path, { recursive: true });
  }
  await writeFile(directory.memberKey, randomBytes(32), { mode: 0o600 });
}

/** Removes what a lab has made there, and the directory itself when nothing of others is in it. */
export async function removeDirectory(directory: LabDirectory): Promise<void> {
  const names = await readdir(directory.path).catch((): string[] => []); // there may be none
  const own = names.filter((name) => /^(node\d+|log|kubeconfig|lan\.kubeconfig|member\.key)$/.test(name));
  await Promise.all(own.map((name) => rm(join(directory.path, name), { recursive: true, force: true })));
  if (names.length > 0 && own.length === names.length) await rmdir(directory.path);
}

/** Writes a kubeconfig for an API server that asks for no credentials. */
export async function writeKubeconfig(file: string, server: string): Promise<void> {
  const name = "ironbridge-lab";
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: "default" } }],
    "current-context": name,
  };
  await writeFile(file, stringify(config));
}

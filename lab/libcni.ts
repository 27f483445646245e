import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { IronbridgeError } from "../core/mod.ts";

/** A network configuration list as runtimes read it. CNI specification 1.1.0 section 1. */
export interface NetworkList {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly PluginConfig[];
}

export interface PluginConfig {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
  readonly [key: string]: unknown;
}

/** What ADD answers, as far as a runtime looks at it. CNI specification 1.1.0 section 5. */
export interface CniResult {
  readonly ips?: readonly { readonly address: string }[];
  readonly [key: string]: unknown;
}

/** One interface of one pod. */
export interface Attachment {
  readonly containerId: string;
  readonly netnsPath: string;
  readonly ifname: string;
  /** Values for the capabilities that plugins declare: portMappings, bandwidth, ... */
  readonly capabilityArgs: Readonly<Record<string, unknown>>;
  readonly podName: string;
  readonly podNamespace: string;
  readonly podUid: string;
}

/** Starts the program at `path`; the caller decides in which network namespace. */
export type RunPlugin = (
  path: string,
  env: Readonly<Record<string, string>>,
  stdin: string,
) => Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }>;

export interface CniOptions {
  readonly confDir: string;
  readonly binDirs: readonly string[];
  /** Results are kept here between ADD and DEL. */
  readonly cacheDir: string;
  readonly run: RunPlugin;
}

interface CachedAdd {
  readonly list: NetworkList;
  readonly capabilityArgs: Readonly<Record<string, unknown>>;
  readonly result: CniResult;
}

/**
 * The network list a runtime uses: the first in the order of file names. Undefined while there is none.
 * @throws {IronbridgeError} IB_CONFIG_INVALID when the file is not a network list.
 */
export async function readNetworkList(confDir: string): Promise<NetworkList | undefined> {
  const names = await readdir(confDir).catch(() => []); // made by whoever installs the network
  const name = names.filter((file) => file.endsWith(".conflist")).sort()[0];
  if (name === undefined) return undefined;
  return parseNetworkList(await readFile(join(confDir, name), "utf8"), join(confDir, name));
}

/** @param origin Named in the error. @throws {IronbridgeError} IB_CONFIG_INVALID */
export function parseNetworkList(text: string, origin: string): NetworkList {
  const invalid = (why: string) => new IronbridgeError("IB_CONFIG_INVALID", `network list ${origin}: ${why}`);
  let list: Partial<NetworkList>;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw new IronbridgeError("IB_CONFIG_INVALID", `network list ${origin} is not JSON`, { cause: error });
  }
  const { cniVersion, name, plugins } = list;
  if (typeof name !== "string" || name === "") throw invalid("field name is missing");
  if (!Array.isArray(plugins) || plugins.length === 0) throw invalid("field plugins is missing or empty");
  if (plugins.some((plugin) => typeof plugin?.type !== "string")) throw invalid("a plugin has no type");
  return { cniVersion: cniVersion ?? "0.1.0", name, plugins };
}

/**
 * Standard input of one plugin: its own configuration, with the list's name and version, the values of the capabilities
 * it declares, and the result so far. CNI specification 1.1.0 section 3, "Deriving execution configuration".
 */
export function pluginInput(
  list: NetworkList,
  plugin: PluginConfig,
  capabilityArgs: Readonly<Record<string, unknown>>,
  prevResult: CniResult | undefined,
): Record<string, unknown> {
  const { capabilities = {}, ...config } = plugin;
  const wanted = Object.entries(capabilityArgs).filter(([name]) => capabilities[name] === true);
  return {
    ...config,
    ...(Object.keys(capabilities).length > 0 ? { capabilities } : {}),
    cniVersion: list.cniVersion,
    name: list.name,
    ...(wanted.length > 0 ? { runtimeConfig: Object.fromEntries(wanted) } : {}),
    ...(prevResult !== undefined ? { prevResult } : {}),
  };
}

/**
 * Calls ADD of every plugin of the list, front to back, and keeps the result for DEL.
 * @throws {IronbridgeError} IB_CNI_FAILED with the plugin's own words; the caller then calls DEL, as after every ADD.
 */
export async function cniAdd(options: CniOptions, list: NetworkList, attachment: Attachment): Promise<CniResult> {
  let result: CniResult | undefined;
  for (const plugin of list.plugins) {
    const input = pluginInput(list, plugin, attachment.capabilityArgs, result);
    const output = await callPlugin(options, "ADD", plugin.type, attachment, input);
    result = JSON.parse(output) as CniResult;
  }
  const cached: CachedAdd = { list, capabilityArgs: attachment.capabilityArgs, result: result ?? {} };
  await mkdir(options.cacheDir, { recursive: true, mode: 0o700 });
  await writeFile(cacheFile(options, attachment), JSON.stringify(cached), { mode: 0o600 });
  return cached.result;
}

/** Calls DEL of every plugin, back to front, with the list and the result of the ADD. @throws {IronbridgeError} IB_CNI_FAILED */
export async function cniDel(
  options: CniOptions,
  list: NetworkList | undefined,
  attachment: Attachment,
): Promise<void> {
  const cached = await readCache(options, attachment);
  const used = cached?.list ?? list;
  if (used === undefined) return; // never added, and no network to ask
  for (const plugin of used.plugins.toReversed()) {
    const args = cached?.capabilityArgs ?? attachment.capabilityArgs;
    await callPlugin(options, "DEL", plugin.type, attachment, pluginInput(used, plugin, args, cached?.result));
  }
  await rm(cacheFile(options, attachment), { force: true });
}

async function callPlugin(
  options: CniOptions,
  command: "ADD" | "DEL",
  type: string,
  attachment: Attachment,
  input: Record<string, unknown>,
): Promise<string> {
  const path = await findPlugin(options.binDirs, type);
  const { podName, podNamespace, podUid, containerId } = attachment;
  const env = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: attachment.netnsPath,
    CNI_IFNAME: attachment.ifname,
    CNI_ARGS: [
      "IgnoreUnknown=1",
      `K8S_POD_NAMESPACE=${podNamespace}`,
      `K8S_POD_NAME=${podName}`,
      `K8S_POD_INFRA_CONTAINER_ID=${containerId}`,
      `K8S_POD_UID=${podUid}`,
    ].join(";"),
    CNI_PATH: options.binDirs.join(":"),
    PATH: process.env.PATH ?? "",
  };
  const { exitCode, stdout, stderr } = await options.run(path, env, JSON.stringify(input));
  if (exitCode === 0) return stdout;
  throw new IronbridgeError(
    "IB_CNI_FAILED",
    `plugin ${type} failed ${command} of pod ${podNamespace}/${podName}: ${pluginMessage(stdout, stderr, exitCode)}`,
  );
}

/** What a plugin said went wrong: its error object on standard output, else its last words. Section 5, "Error". */
export function pluginMessage(stdout: string, stderr: string, exitCode: number): string {
  try {
    const { code, msg, details } = JSON.parse(stdout) as { code?: number; msg?: string; details?: string };
    if (msg !== undefined) return `${msg}${details ? `: ${details}` : ""} (code ${code})`;
  } catch {
    // not an error object: a crash, or a plugin that does not follow the specification
  }
  return (stderr.trim() || stdout.trim() || `exit code ${exitCode}`).slice(-500);
}

async function findPlugin(binDirs: readonly string[], type: string): Promise<string> {
  for (const directory of binDirs) {
    const names = await readdir(directory).catch((): string[] => []); // a directory of the path may not exist
    if (names.includes(type)) return join(directory, type);
  }
  throw new IronbridgeError("IB_BINARY_MISSING", `CNI plugin ${type} is in none of ${binDirs.join(", ")}`);
}

async function readCache(options: CniOptions, attachment: Attachment): Promise<CachedAdd | undefined> {
  // A lost cache is no error: the plugins then work without the previous result.
  const text = await readFile(cacheFile(options, attachment), "utf8").catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as CachedAdd);
}

function cacheFile({ cacheDir }: CniOptions, { containerId, ifname }: Attachment): string {
  return join(cacheDir, `${containerId}-${ifname}`);
}

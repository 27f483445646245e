import { z } from "zod";
import type { AttachmentKey, PodName } from "./attachment.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import type { Invocation } from "./frame.ts";
import { type NetworkConfig, type PrevResult, parseConfig } from "./network-config.ts";
import { macAddress, podAddress } from "./runtime-config.ts";

interface Common {
  readonly config: NetworkConfig;
}

export type CniRequest = Common &
  (
    | { readonly command: "ADD"; readonly key: AttachmentKey; readonly netns: string; readonly pod?: PodName }
    | { readonly command: "DEL"; readonly key: AttachmentKey; readonly netns?: string }
    | { readonly command: "CHECK"; readonly key: AttachmentKey; readonly netns: string; readonly prev: PrevResult }
    | { readonly command: "GC"; readonly valid: readonly AttachmentKey[] }
    | { readonly command: "STATUS" }
    | { readonly command: "VERSION" }
  );

type Command = CniRequest["command"];

/** The variables that each command must have. */
const REQUIRED: Readonly<Record<Command, readonly string[]>> = {
  ADD: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
  DEL: ["CNI_CONTAINERID", "CNI_IFNAME"],
  CHECK: ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"],
  GC: ["CNI_PATH"],
  STATUS: [],
  VERSION: [],
};

/** The first protocol version that has the command. */
const SINCE: Readonly<Partial<Record<Command, string>>> = { CHECK: "0.4.0", GC: "1.1.0", STATUS: "1.1.0" };

/**
 * Reads one call of the plugin, judging in the order of the CNI project's own library: environment, configuration,
 * then the values of the environment.
 * @throws {CniError} with the specification's code.
 * @see https://www.cni.dev/docs/spec/#section-2-execution-protocol
 */
export function parseRequest({ env, stdin }: Invocation): CniRequest {
  const command = parseCommand(env.CNI_COMMAND);
  const missing = REQUIRED[command].filter((name) => (env[name] ?? "") === "");
  if (missing.length > 0) {
    const message = `required environment variables missing: ${missing.join(", ")}`;
    throw new CniError(CniErrorCode.InvalidEnvironment, message);
  }
  const config = parseConfig(stdin);
  const since = SINCE[command];
  if (since !== undefined && config.cniVersion < since) {
    const message = `cniVersion ${config.cniVersion} has no ${command}, ${since} is the first that does`;
    throw new CniError(CniErrorCode.IncompatibleVersion, message);
  }
  switch (command) {
    case "ADD": {
      const args = parseArgs(env.CNI_ARGS ?? "");
      const pod = parsePod(args);
      return {
        command,
        config: withArgs(config, args),
        key: parseKey(env),
        netns: env.CNI_NETNS!,
        ...(pod === undefined ? {} : { pod }),
      };
    }
    case "CHECK":
      if (config.prevResult === undefined) throw invalidConfig("CHECK needs prevResult, the result of the ADD");
      return { command, config, key: parseKey(env), netns: env.CNI_NETNS!, prev: config.prevResult };
    case "DEL":
      return { command, config, key: parseKey(env), ...(env.CNI_NETNS ? { netns: env.CNI_NETNS } : {}) };
    case "GC":
      if (config.validAttachments === undefined) throw invalidConfig("GC needs cni.dev/valid-attachments");
      return { command, config, valid: config.validAttachments };
    default:
      return { command, config };
  }
}

export function isCommand(text: string | undefined): text is Command {
  return text !== undefined && Object.hasOwn(REQUIRED, text);
}

function parseCommand(text: string | undefined): Command {
  if (isCommand(text)) return text;
  const message = text === undefined ? "CNI_COMMAND is not set" : `CNI_COMMAND "${text}" is not a command of CNI`;
  throw new CniError(CniErrorCode.InvalidEnvironment, message);
}

function parseKey(env: Invocation["env"]): AttachmentKey {
  const { CNI_CONTAINERID: containerId = "", CNI_IFNAME: ifname = "" } = env;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(containerId)) {
    const message = `CNI_CONTAINERID "${containerId}" must start with a letter or digit and hold only those and _.-`;
    throw new CniError(CniErrorCode.InvalidEnvironment, message);
  }
  if (!isInterfaceName(ifname)) {
    const message = `CNI_IFNAME "${ifname}" is not an interface name: 1 to 15 octets, not . or .., no / : or white space`;
    throw new CniError(CniErrorCode.InvalidEnvironment, message);
  }
  return { containerId, ifname };
}

/** The kernel's rule (dev_valid_name). */
export function isInterfaceName(name: string): boolean {
  const octets = Buffer.byteLength(name);
  return octets >= 1 && octets <= 15 && name !== "." && name !== ".." && !/[/:\s\0]/.test(name);
}

const KNOWN_ARGS: ReadonlySet<string> = new Set([
  "IgnoreUnknown",
  "IP",
  "MAC",
  "K8S_POD_NAMESPACE",
  "K8S_POD_NAME",
  "K8S_POD_INFRA_CONTAINER_ID",
  "K8S_POD_UID",
]);

/** CNI_ARGS: `K=V;K=V`. Unknown keys are refused unless IgnoreUnknown says otherwise. */
function parseArgs(text: string): ReadonlyMap<string, string> {
  const args = new Map<string, string>();
  for (const pair of text.split(";")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    if (equals < 1)
      throw new CniError(CniErrorCode.InvalidEnvironment, `CNI_ARGS has "${pair}", which is not KEY=VALUE`);
    args.set(pair.slice(0, equals), pair.slice(equals + 1));
  }
  const unknown = [...args.keys()].filter((key) => !KNOWN_ARGS.has(key));
  if (unknown.length > 0 && !/^(1|true)$/i.test(args.get("IgnoreUnknown") ?? "")) {
    const message = `CNI_ARGS has unknown keys: ${unknown.join(", ")}; IgnoreUnknown=1 lets them pass`;
    throw new CniError(CniErrorCode.InvalidEnvironment, message);
  }
  return args;
}

const argsFields = z.object({ ip: podAddress.optional(), mac: macAddress.optional() });

/** CNI_ARGS has the least say: an address joins those asked for elsewhere, a MAC address counts where there is no other. */
function withArgs(config: NetworkConfig, args: ReadonlyMap<string, string>): NetworkConfig {
  const [ip, mac] = [args.get("IP"), args.get("MAC")];
  if (ip === undefined && mac === undefined) return config;
  const parsed = argsFields.safeParse({ ip, mac });
  if (!parsed.success) {
    const message = `CNI_ARGS: ${parsed.error.issues.map((issue) => issue.message).join("; ")}`;
    throw new CniError(CniErrorCode.InvalidEnvironment, message);
  }
  const { runtime } = config;
  const addresses = [...runtime.addresses, ...(parsed.data.ip === undefined ? [] : [parsed.data.ip])];
  return { ...config, runtime: { ...(parsed.data.mac && { mac: parsed.data.mac }), ...runtime, addresses } };
}

function parsePod(args: ReadonlyMap<string, string>): PodName | undefined {
  const namespace = args.get("K8S_POD_NAMESPACE");
  const name = args.get("K8S_POD_NAME");
  if (!namespace || !name) return undefined;
  return { namespace, name, uid: args.get("K8S_POD_UID") ?? "" };
}

function invalidConfig(message: string): CniError {
  return new CniError(CniErrorCode.InvalidConfig, message);
}

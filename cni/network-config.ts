import { z } from "zod";
import { BRIDGE_NAME } from "../net/mod.ts";
import type { AttachmentKey } from "./attachment.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import { type HostLocalConfig, parseHostLocal } from "./host-local.ts";
import {
  bandwidth,
  macAddress,
  NO_RUNTIME_CONFIG,
  podAddress,
  type RuntimeConfig,
  runtimeConfig,
} from "./runtime-config.ts";

/** Protocol versions spoken, oldest first. cni/plugin.c answers VERSION with the same list. */
export const CNI_VERSIONS = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;
export type CniVersion = (typeof CNI_VERSIONS)[number];

const dns = z.object({
  nameservers: z.array(z.string()).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
});
export type Dns = z.infer<typeof dns>;

/** What CHECK reads of the result of ADD, in any version. */
const prevResult = z.object({
  interfaces: z
    .array(z.object({ name: z.string(), mac: z.string().default(""), sandbox: z.string().default("") }))
    .default([]),
  ips: z.array(z.object({ address: z.string(), interface: z.number().optional() })).default([]),
});
export type PrevResult = z.infer<typeof prevResult>;

/** Less leaves an interface without IPv6 (RFC 8200 section 5); 0 asks for the node's own. */
const LEAST_MTU = 1280;
const mtu = z
  .number()
  .int()
  .refine((octets) => octets === 0 || octets >= LEAST_MTU, `must be 0 or at least ${LEAST_MTU} octets`);

const attachments = z.array(z.object({ containerID: z.string(), ifname: z.string() }));

const fields = z.object({
  name: z.string().default(""),
  prevResult: prevResult.optional(),
  dns: dns.optional(),
  mtu: mtu.optional(),
  runtimeConfig: runtimeConfig.default(NO_RUNTIME_CONFIG),
  args: z
    .object({ cni: z.object({ mac: macAddress.optional(), ips: z.array(podAddress).default([]) }).optional() })
    .optional(),
  // libcni sends the list under both names, the second is an old mistake.
  "cni.dev/valid-attachments": attachments.optional(),
  "cni.dev/attachments": attachments.optional(),
});

/** The network configuration of one call. */
export interface NetworkConfig {
  readonly cniVersion: CniVersion;
  readonly name: string;
  readonly dns: Dns;
  readonly runtime: RuntimeConfig;
  /** Octets, of the pod's interface; the node's own when absent. */
  readonly mtu?: number;
  readonly prevResult?: PrevResult;
  /** The same as it came, to be handed on. */
  readonly handedOn?: unknown;
  /** What the runtime says is in use; undefined when it said nothing. */
  readonly validAttachments?: readonly AttachmentKey[];
}

/**
 * Keys of the reference plugins `bridge` and others, and the one value of each that says what this plugin does. Missing are
 * those that change nothing here: the gateway's addresses are always made right (forceAddress), and without a VLAN there is
 * no default one to keep (preserveDefaultVlan).
 */
const REFERENCE_KEYS: Readonly<Record<string, unknown>> = {
  bridge: BRIDGE_NAME,
  isGateway: true,
  isDefaultGateway: true,
  ipMasq: true,
  hairpinMode: true,
  promiscMode: false,
  vlan: 0,
  vlanTrunk: undefined,
  macspoofchk: false,
  enabledad: false,
  disableContainerInterface: false,
  portIsolation: false,
  ipMasqBackend: undefined,
};

const NO_HOST_LOCAL: HostLocalConfig = { subnets: [], ranges: [] };

/**
 * Reads the network configuration.
 * @throws {CniError} 6 for what is not a JSON object, 1 for a version not spoken, 2 for a key of the reference plugins
 * that asks for something else than this plugin does, 7 for a field of the wrong shape.
 */
export function parseConfig(text: string): NetworkConfig {
  const object = parseObject(text);
  const cniVersion = parseVersion(object.cniVersion);
  const parsed = fields.safeParse(object);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`${issue?.path.join(".")}: ${issue?.message}`);
  }
  const { name, prevResult: prev, dns = {}, mtu: octets = 0, ...lists } = parsed.data;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) {
    throw invalid(`name "${name}" must start with a letter or digit and hold only those and _.-`);
  }
  refuseOtherShapes(object);
  const runtime = withStatic(parsed.data, object);
  const valid = lists["cni.dev/valid-attachments"] ?? lists["cni.dev/attachments"];
  return {
    cniVersion,
    name,
    dns,
    runtime,
    ...(octets === 0 ? {} : { mtu: octets }),
    ...(prev === undefined ? {} : { prevResult: prev, handedOn: object.prevResult }),
    ...(valid === undefined
      ? {}
      : { validAttachments: valid.map(({ containerID, ifname }) => ({ containerId: containerID, ifname })) }),
  };
}

/**
 * What the configuration itself asks for: limits there win over the runtime's; a MAC address and ranges of a family that
 * the runtime gives win over those there.
 */
function withStatic({ runtimeConfig: runtime, args }: z.infer<typeof fields>, object: object): RuntimeConfig {
  const { mac, ips = [] } = args?.cni ?? {};
  const limits = bandwidth.safeParse(object);
  if (!limits.success) throw invalid(limits.error.issues[0]?.message ?? "bandwidth");
  const { subnets, ranges } = "ipam" in object ? parseHostLocal(object.ipam) : NO_HOST_LOCAL;
  const others = ranges.filter(({ family }) => !runtime.ranges.some((range) => range.family === family));
  const isStatic = limits.data.ingress !== undefined || limits.data.egress !== undefined;
  return {
    ...(mac === undefined ? {} : { mac }),
    ...runtime,
    addresses: [...runtime.addresses, ...ips],
    ranges: [...runtime.ranges, ...others],
    ...(subnets.length === 0 ? {} : { subnets }),
    ...(isStatic ? { bandwidth: limits.data } : {}),
  };
}

/** The version to answer in: the configuration's where it names one we speak, else the newest. Never throws. */
export function answerVersion(text: string): CniVersion {
  try {
    return parseVersion(parseObject(text).cniVersion);
  } catch {
    return CNI_VERSIONS[CNI_VERSIONS.length - 1]!; // the caller reports what is wrong with the text
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CniError(CniErrorCode.DecodingFailure, "standard input is not JSON", { cause, details: String(cause) });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new CniError(CniErrorCode.DecodingFailure, "standard input is not a JSON object");
}

function parseVersion(value: unknown): CniVersion {
  const version = CNI_VERSIONS.find((spoken) => spoken === value);
  if (version !== undefined) return version;
  if (value !== undefined && typeof value !== "string") {
    throw new CniError(CniErrorCode.DecodingFailure, `cniVersion ${JSON.stringify(value)} is not a text`);
  }
  const message = `cniVersion "${value ?? ""}" is not spoken here; ${CNI_VERSIONS.join(", ")} are`;
  throw new CniError(CniErrorCode.IncompatibleVersion, message);
}

function refuseOtherShapes(object: Readonly<Record<string, unknown>>): void {
  for (const [key, only] of Object.entries(REFERENCE_KEYS)) {
    if (object[key] === undefined || object[key] === only) continue;
    const remedy = only === undefined ? "remove it" : `only ${JSON.stringify(only)} is`;
    const message = `${key} with value ${JSON.stringify(object[key])} is not supported, ${remedy}`;
    throw new CniError(CniErrorCode.UnsupportedField, message);
  }
}

function invalid(message: string): CniError {
  return new CniError(CniErrorCode.InvalidConfig, `network configuration: ${message}`);
}

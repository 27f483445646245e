import { z } from "zod";
import {
  type Address,
  type Prefix,
  parseAddress,
  parseMac,
  parsePrefix,
  prefixRange,
  type Range,
  tryParseAddress,
} from "../net/mod.ts";
import type { Bandwidth, Rate } from "./bandwidth.ts";
import { type HostPort, PORT_PROTOCOLS } from "./host-port.ts";

/** What the runtime asks for one pod, by the capabilities that the configuration list declares. */
export interface RuntimeConfig {
  readonly hostPorts: readonly HostPort[];
  readonly bandwidth?: Bandwidth;
  /** Addresses the pod must have, at most one per family. */
  readonly addresses: readonly Address[];
  /** Where its addresses must lie; families without one take any. */
  readonly ranges: readonly Range[];
  /** The prefixes of the node that it gets addresses of; all of them when absent. */
  readonly subnets?: readonly Prefix[];
  readonly mac?: Uint8Array;
}

export const NO_RUNTIME_CONFIG: RuntimeConfig = { hostPorts: [], addresses: [], ranges: [] };

/** Pods ask for addresses with this annotation: a list, separated by commas. */
const ADDRESSES_ANNOTATION = "ironbridge.io/pod-addresses";

/**
 * An object whose keys may be in any case, as Go reads JSON: containerd writes "HostPort" where the convention says
 * "hostPort" (go-cni's PortMapping, BandWidth and IPRanges have no JSON tags).
 */
function anyCase<Shape extends z.ZodRawShape>(shape: Shape) {
  const names = new Map(Object.keys(shape).map((name) => [name.toLowerCase(), name]));
  const rename = (value: unknown) =>
    value === null || typeof value !== "object" || Array.isArray(value)
      ? value
      : Object.fromEntries(Object.entries(value).map(([key, each]) => [names.get(key.toLowerCase()) ?? key, each]));
  return z.preprocess(rename, z.object(shape));
}

const port = z.int().min(1).max(65535);
const protocols = Object.keys(PORT_PROTOCOLS) as (keyof typeof PORT_PROTOCOLS)[];

const portMapping = anyCase({
  hostPort: port,
  containerPort: port,
  protocol: z
    .string()
    .default("tcp")
    .transform((text) => text.toLowerCase())
    .pipe(z.enum(protocols)),
  hostIP: z
    .string()
    .default("")
    .refine((text) => text === "" || tryParseAddress(text) !== undefined, "is not an IP address"),
}).transform(
  ({ hostIP, ...mapping }): HostPort => ({
    ...mapping,
    ...(hostIP === "" ? {} : { hostAddress: parseAddress(hostIP) }),
  }),
);

/** Octets of a burst are kept in 32 bits. */
const MAX_BURST = 8 * 2 ** 32;
const bits = z.number().nonnegative().default(0);

/** The fields of the plugin bandwidth: bits per second, and bits. 0 is no limit. */
export const bandwidth = anyCase({
  ingressRate: bits,
  ingressBurst: bits,
  egressRate: bits,
  egressBurst: bits,
}).transform((fields, context): Bandwidth => {
  const direction = (name: "ingress" | "egress"): Rate | undefined => {
    const [rate, burst] = [fields[`${name}Rate`], fields[`${name}Burst`]];
    if (rate > 0 !== burst > 0) context.addIssue(`${name}Rate and ${name}Burst must both be given`);
    if (burst >= MAX_BURST) context.addIssue(`${name}Burst must be less than 4 GiB`);
    return rate > 0 ? { rate, burst } : undefined;
  };
  const [ingress, egress] = [direction("ingress"), direction("egress")];
  return { ...(ingress && { ingress }), ...(egress && { egress }) };
});

/** An address with or without a prefix length, which is the node's affair. */
export const podAddress = z.string().transform((text, context): Address => {
  const address = tryParseAddress(text.trim().split("/")[0]!);
  if (address !== undefined) return address;
  context.addIssue(`"${text}" is not an IP address`);
  return z.NEVER;
});

export const macAddress = z
  .string()
  .regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i, "is not a MAC address")
  .transform(parseMac);

/** One range of addresses, as the plugin host-local has them: a subnet, or a part of it. */
export const addressRange = anyCase({
  subnet: z.string(),
  rangeStart: z.string().default(""),
  rangeEnd: z.string().default(""),
}).transform(({ subnet, rangeStart, rangeEnd }, context): Range => {
  try {
    const all = prefixRange(parsePrefix(subnet));
    const first = rangeStart === "" ? all.first : parseAddress(rangeStart).value;
    const last = rangeEnd === "" ? all.last : parseAddress(rangeEnd).value;
    if (first >= all.first && first <= last && last <= all.last) return { family: all.family, first, last };
    context.addIssue(`rangeStart and rangeEnd must be in order and inside ${subnet}`);
  } catch (error) {
    context.addIssue(error instanceof Error ? error.message : String(error));
  }
  return z.NEVER;
});

const annotations = z.record(z.string(), z.string()).transform((all, context): Address[] => {
  const texts = (all[ADDRESSES_ANNOTATION] ?? "").split(",").filter((text) => text.trim() !== "");
  const parsed = z.array(podAddress).safeParse(texts);
  if (parsed.success) return parsed.data;
  context.addIssue(`${ADDRESSES_ANNOTATION}: ${parsed.error.issues[0]?.message}`);
  return z.NEVER;
});

/**
 * The field runtimeConfig of a network configuration.
 * @see https://www.cni.dev/docs/conventions/#dynamic-plugin-specific-fields-capabilities--runtime-configuration
 */
export const runtimeConfig = z
  .object({
    portMappings: z.array(portMapping).nullish(),
    bandwidth: bandwidth.nullish(),
    ips: z.array(podAddress).nullish(),
    ipRanges: z.array(z.array(addressRange)).nullish(),
    mac: macAddress.nullish(),
    "io.kubernetes.cri.pod-annotations": annotations.nullish(),
  })
  .transform(
    (fields): RuntimeConfig => ({
      hostPorts: fields.portMappings ?? [],
      ...(fields.bandwidth ? { bandwidth: fields.bandwidth } : {}),
      addresses: [...(fields.ips ?? []), ...(fields["io.kubernetes.cri.pod-annotations"] ?? [])],
      ranges: (fields.ipRanges ?? []).flat(),
      ...(fields.mac ? { mac: fields.mac } : {}),
    }),
  );

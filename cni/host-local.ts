import { z } from "zod";
import { type Prefix, parsePrefix, prefixRange, printAddress, printPrefix, type Range } from "../net/mod.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import { addressRange } from "./runtime-config.ts";

/** What the configuration of the plugin host-local says, as far as the node's own prefixes allow it. */
export interface HostLocalConfig {
  /** One per family: those prefixes of the node that pods get addresses of. Empty: all of them. */
  readonly subnets: readonly Prefix[];
  /** Where in them. */
  readonly ranges: readonly Range[];
}

const entry = z.looseObject({ subnet: z.string(), gateway: z.string().optional() });
const fields = z.looseObject({
  type: z.string(),
  subnet: z.string().optional(),
  ranges: z.array(z.array(entry).min(1)).default([]),
  routes: z.array(z.looseObject({ dst: z.string() })).default([]),
});

/** Every pod has these anyway. */
const DEFAULT_ROUTES = ["0.0.0.0/0", "::/0"];

/**
 * Reads the field ipam of a network configuration. A range set names a prefix of the node: other nodes know no way to
 * other addresses. What asks for something else is refused by name.
 * @throws {CniError} 2 for what is not done here, 7 for a field of the wrong shape.
 * @see https://www.cni.dev/plugins/current/ipam/host-local/
 */
export function parseHostLocal(ipam: unknown): HostLocalConfig {
  const { type, ranges, routes, ...others } = parse(fields, ipam, "ipam");
  if (type !== "host-local") throw unsupported(`ipam.type "${type}" is not supported, only "host-local" is`);
  for (const key of ["dataDir", "resolvConf"]) {
    if (others[key] !== undefined) throw unsupported(`ipam.${key} is not supported, remove it`);
  }
  for (const { dst, ...rest } of routes) {
    if (DEFAULT_ROUTES.includes(dst) && Object.keys(rest).length === 0) continue;
    throw unsupported(`ipam.routes: ${JSON.stringify({ dst, ...rest })} is not supported, only {"dst":"0.0.0.0/0"} is`);
  }
  // The old form, of one range only, is the first set.
  const sets = others.subnet === undefined ? ranges : [[{ ...others, subnet: others.subnet }], ...ranges];
  const parsed = sets.map((set) => set.map(parseEntry));
  const subnets = parsed.map(onlySubnet);
  const families = subnets.map(({ family }) => family);
  const twice = families.find((family, i) => families.indexOf(family) !== i);
  if (twice !== undefined)
    throw unsupported(`ipam.ranges has two sets of ${twice}; a pod gets one address of a family`);
  // A whole prefix is no limit.
  const limits = parsed.filter((set) => !set.some(isWhole));
  return { subnets, ranges: limits.flat().map(({ range }) => range) };
}

interface Entry {
  readonly subnet: Prefix;
  readonly range: Range;
}

function parseEntry(raw: z.infer<typeof entry>): Entry {
  const range = parse(addressRange, raw, "ipam.ranges");
  const subnet = parsePrefix(raw.subnet);
  const gateway = printAddress({ family: subnet.family, value: subnet.first + 1n });
  if (raw.gateway === undefined || raw.gateway === gateway) return { subnet, range };
  throw unsupported(`gateway "${raw.gateway}" of ${raw.subnet} is not supported, only "${gateway}" is`);
}

function isWhole({ subnet, range }: Entry): boolean {
  const { first, last } = prefixRange(subnet);
  return range.first === first && range.last === last;
}

function onlySubnet(set: readonly Entry[]): Prefix {
  const [first, ...rest] = set.map(({ subnet }) => subnet);
  const other = rest.find((subnet) => printPrefix(subnet) !== printPrefix(first!));
  if (other === undefined) return first!;
  const message = `a set of ipam.ranges has both ${printPrefix(first!)} and ${printPrefix(other)}; a node has one prefix of a family`;
  throw unsupported(message);
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = [what, ...(issue?.path ?? [])].join(".");
  throw new CniError(CniErrorCode.InvalidConfig, `network configuration: ${path}: ${issue?.message}`);
}

function unsupported(message: string): CniError {
  return new CniError(CniErrorCode.UnsupportedField, message);
}

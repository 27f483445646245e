import type { Clock, Log } from "../core/mod.ts";
import type { Family, Prefix } from "../net/mod.ts";
import type { Backend } from "./backend.ts";
import type { RuleHome } from "./cleanup.ts";
import { type ConntrackChoices, isTcpLiberal } from "./conntrack-settings.ts";
import { iptablesBackend } from "./iptables-backend.ts";
import { hasFamily, type Kernel, prepareKernel } from "./kernel.ts";
import { nftablesBackend } from "./nftables-backend.ts";
import { wantsLocalhost } from "./node-port-addresses.ts";
import { type SctpGap, tracksSctp } from "./sctp.ts";
import { familySettings, type ProxyChoices } from "./settings.ts";
import { Upkeep } from "./upkeep.ts";

export type ProxyMode = "nftables" | "iptables";

export interface DataPlaneOptions extends ProxyChoices {
  readonly mode: ProxyMode;
  /** Node.spec.podCIDRs of this node, for the detection of pods by them. */
  readonly podCidrs?: readonly Prefix[];
  /** How connections are to be tracked, once the rules are there; absent: as this node has it. */
  readonly conntrack?: ConntrackChoices;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly log: Log;
}

/** One address family's rules and who keeps them in the kernel. */
export interface Plane {
  readonly backend: Backend;
  readonly upkeep: Upkeep;
}

/** The rules of this node, both families, in the one place that the mode has chosen. */
export interface DataPlane {
  readonly home: RuleHome;
  readonly planes: readonly Plane[];
  /** What this kernel lacks to forward SCTP. */
  readonly sctpGap: SctpGap;
  close(): void;
}

/**
 * Makes this node ready to forward and opens what writes the rules. Writes no rule yet.
 * @throws {IronbridgeError} IB_BINARY_MISSING, IB_KERNEL_REFUSED
 */
export async function openDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const { kernel, mode, clock, log } = options;
  const families = (["ipv4", "ipv6"] as const).filter((family) => hasFamily(kernel, family));
  prepareKernel(
    kernel,
    families.filter((family) => family === "ipv4" || options.clusterCidrs.some((prefix) => prefix.family === family)),
  );
  // Without this the kernel drops what goes from 127.0.0.1 to an endpoint.
  if (wantsLocalhost(options.nodePortAddresses ?? [])) kernel.writeSysctl("net/ipv4/conf/all/route_localnet", "1");
  const opened = mode === "nftables" ? await openNftables(options, families) : await openIptables(options, families);
  const planes = opened.backends.map((backend) => ({ backend, upkeep: new Upkeep(backend, clock, log) }));
  log.info({ event: "proxy.opened", home: opened.home, families }, "Services are forwarded by these rules");
  const close = () => {
    for (const backend of opened.backends) backend.close();
    opened.close();
  };
  return { ...opened, planes, close };
}

interface Opened {
  readonly home: RuleHome;
  readonly backends: readonly Backend[];
  readonly sctpGap: SctpGap;
  readonly close: () => void;
}

async function openNftables(options: DataPlaneOptions, families: readonly Family[]): Promise<Opened> {
  const nft = await options.kernel.nft();
  const backends = families.map((family) => nftablesBackend(nft, familySettings(family, options, options)));
  const sctpGap = tracksSctp(options.kernel) ? "nothing" : "tracking";
  return { home: "nftables", backends, sctpGap, close: () => nft.close() };
}

/** Both families take the variant that IPv4 rules of others are in already. */
async function openIptables(options: DataPlaneOptions, families: readonly Family[]): Promise<Opened> {
  const { kernel, podCidrs = [], conntrack } = options;
  const facts = { podCidrs, isTcpLiberal: isTcpLiberal(kernel, conntrack) };
  const { variant } = await kernel.iptables("ipv4", "auto");
  const programs = await Promise.all(families.map((family) => kernel.iptables(family, variant)));
  const backends = programs.map((program) => iptablesBackend(program, familySettings(program.family, options, facts)));
  const known = await Promise.all(programs.map((program) => program.knowsSctp()));
  const sctpGap = known.includes(false) ? "match" : tracksSctp(kernel) ? "nothing" : "tracking";
  return { home: `iptables-${variant}`, backends, sctpGap, close: () => {} };
}

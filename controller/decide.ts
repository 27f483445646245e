import { ANNOTATION, annotationKey, type Pool, poolOf } from "../config/mod.ts";
import type { EventNote } from "../kube/mod.ts";
import { type Address, type Family, printAddress } from "../net/mod.ts";
import { type Allocator, type Claim, printAddresses, sameAddresses, sameClaim } from "./allocator.ts";
import { candidatePools, poolAccepts } from "./candidates.ts";
import type { Asked, Request } from "./requests.ts";

/** Everything about one Service that its addresses depend on, besides the allocator. */
export interface Situation {
  readonly key: string;
  readonly asked: Asked;
  /** In its status now. */
  readonly current: readonly Address[];
  /** The pool its annotation ip-allocated-from-pool names. */
  readonly recordedPool: string | undefined;
  /** What it had before it gave everything up, as long as that is remembered. */
  readonly remembered: readonly Address[];
}

/** One link of the chain from what was asked to what was done. */
export interface Reason {
  readonly step: "asked" | "kept" | "cleared" | "candidates" | "rejected" | "chosen" | "refused";
  readonly text: string;
}

export interface Decision {
  /** What the Service's status and annotation must say; undefined: they are not ours to write. */
  readonly status: { readonly addresses: readonly Address[]; readonly pool: string | undefined } | undefined;
  /** What happened now. */
  readonly events: readonly EventNote[];
  /** What stands in the way as long as nothing changes; to be told once, and tried again when addresses come free. */
  readonly complaint: EventNote | undefined;
  readonly reasons: readonly Reason[];
  /** True when the Service gave something up that others may be waiting for. */
  readonly freed: boolean;
}

type Verdict = Omit<Decision, "freed" | "reasons"> & { readonly last: Reason };

/**
 * Decides which addresses a Service has from now on, and holds them in the allocator. The order of the questions is
 * MetalLB's, so that the same objects lead to the same addresses and events.
 * @param broken Names of pools that can't be used because their object has a mistake.
 */
export function decide(situation: Situation, allocator: Allocator, broken: ReadonlySet<string>): Decision {
  const before = allocator.claimOf(situation.key);
  const reasons: Reason[] = [];
  const { last, ...verdict } = judge(situation, allocator, broken, reasons);
  const after = allocator.claimOf(situation.key);
  const freed = before !== undefined && (after === undefined || !sameClaim(before, after));
  return { ...verdict, reasons: [...reasons, last], freed };
}

function judge(situation: Situation, allocator: Allocator, broken: ReadonlySet<string>, reasons: Reason[]): Verdict {
  const { asked, key } = situation;
  if (asked === "elsewhere" || asked === "none") {
    allocator.release(key);
    const text = asked === "none" ? "the Service is not of type LoadBalancer" : "the Service is of another class";
    const status = asked === "none" ? NO_ADDRESS : undefined;
    return { status, events: [], complaint: undefined, last: { step: "cleared", text } };
  }
  reasons.push({ step: "asked", text: describe(asked) });
  const orphan = keepOrphan(situation, asked, allocator, broken);
  if (orphan !== undefined) return orphan;
  const obstacle = obstacleTo(asked, allocator);
  if (obstacle !== undefined) {
    allocator.release(key);
    return refused(obstacle, []);
  }
  const kept = keepCurrent(situation, asked, allocator);
  if ("status" in kept) return kept;
  if (kept.cleared !== undefined) reasons.push({ step: "cleared", text: kept.cleared });
  allocator.release(key);
  return allocate(asked, { allocator, broken, remembered: situation.remembered, reasons }, kept.events);
}

/** What the search for an address looks at, and the chain of reasons it adds to. */
interface Search {
  readonly allocator: Allocator;
  readonly broken: ReadonlySet<string>;
  readonly remembered: readonly Address[];
  readonly reasons: Reason[];
}

/** What makes every address impossible for the Service. */
function obstacleTo(request: Request, allocator: Allocator): EventNote | undefined {
  if (allocator.pools.length === 0) {
    return allocationFailed(request, "no IPAddressPool is configured; create one");
  }
  if (request.families.length === 0) {
    const ips = printTexts(request.clusterIps);
    return warning("noclusterIPsIPFamily", `Failed to retrieve ClusterIPs IPFamily for ${ips}: no cluster IP`);
  }
  if (request.familyPolicy === "RequireDualStack" && request.families.length < 2) {
    const ips = printTexts(request.clusterIps);
    return warning("not enough clusterips", `Service requires dual stack but not enough clusterips ${ips}`);
  }
  return undefined;
}

/**
 * The addresses of a pool whose object has a mistake stay with their Services: a typing error must not move every
 * address of the pool. Nobody else can get them meanwhile, since they are in no pool.
 */
function keepOrphan(
  { current, recordedPool = "", key }: Situation,
  { wanted, pool }: Request,
  allocator: Allocator,
  broken: ReadonlySet<string>,
): Verdict | undefined {
  const wantsOther =
    (wanted.kind === "these" && !sameAddresses(wanted.addresses, current)) ||
    (pool !== undefined && pool !== recordedPool);
  if (current.length === 0 || wantsOther || !broken.has(recordedPool)) return undefined;
  if (poolOf(allocator, current) !== undefined) return undefined;
  allocator.release(key);
  const text = `IPAddressPool "${recordedPool}" of ${printAddresses(current)} has a mistake, see its events`;
  return {
    status: { addresses: current, pool: recordedPool },
    events: [],
    complaint: warning("PoolInvalid", `${text}; the Service keeps the address until the pool is corrected`),
    last: { step: "kept", text },
  };
}

type NotKept = { readonly events: readonly EventNote[]; readonly cleared: string | undefined };

/** Keeps what the Service has, as far as the configuration and its own wishes still allow. */
function keepCurrent(situation: Situation, request: Request, allocator: Allocator): Verdict | NotKept {
  const { key } = situation;
  // An address given but not yet seen in the status: the write is on its way, or failed and will be tried again.
  const current = situation.current.length > 0 ? situation.current : (allocator.claimOf(key)?.addresses ?? []);
  if (current.length === 0) return { events: [], cleared: undefined };
  const had = printAddresses(current);
  if (!familiesFit(current, request)) {
    return { events: mixedFamilies(current, had), cleared: `${had} is not of the Service's IP families` };
  }
  const grant = reassign(request, current, allocator);
  if (typeof grant === "string") {
    const message = `current IP for "${key}" not allowed by config, will attempt for new IP assignment: ${grant}`;
    return { events: [normal("ClearAssignment", message)], cleared: grant };
  }
  if (request.pool !== undefined && grant.pool !== request.pool) {
    return { events: [], cleared: `${had} is of pool "${grant.pool}", the Service asks for pool "${request.pool}"` };
  }
  if (request.wanted.kind === "invalid") {
    const message = `invalid requested loadbalancer IPs: ${request.wanted.why}`;
    return keeps(grant, [], warning("LoadBalancerFailed", message));
  }
  if (request.wanted.kind === "these") {
    const wanted = request.wanted.addresses;
    if (sameAddresses(wanted, current)) return keeps(grant, [], undefined);
    return { events: [], cleared: `the Service asks for ${printAddresses(wanted)}, not ${had}` };
  }
  return keepAndComplete(request, grant, allocator);
}

/** Addresses that can't be a Service's, whatever its families: somebody else has written them. */
function mixedFamilies(current: readonly Address[], had: string): readonly EventNote[] {
  if (new Set(current.map(({ family }) => family)).size === current.length) return [];
  const message = `Failed to retrieve LBIPs IPFamily for ${had}: more than one address of a family`;
  return [warning("nolbIPsIPFamily", message)];
}

/** A Service that prefers dual stack and has one address gets the other one once the pool has it. */
function keepAndComplete(request: Request, claim: Claim, allocator: Allocator): Verdict {
  const missing = request.families.find((family) => claim.addresses.every((address) => address.family !== family));
  if (missing === undefined || request.familyPolicy !== "PreferDualStack") return keeps(claim, [], undefined);
  const grant = allocator.extend(claim, missing);
  if (!grant.ok) {
    const message = `cannot assign additional IP in PreferDualStack: ${grant.why}`;
    return keeps(claim, [], normal("AdditionalAssignFailed", message));
  }
  const added = printAddress(grant.claim.addresses.at(-1)!);
  return keeps(grant.claim, [normal("IPAllocated", `Assigned additional IP "${added}"`)], undefined);
}

/** Gives the Service addresses when it has none, or none that it may keep. */
function allocate(request: Request, search: Search, events: readonly EventNote[]): Verdict {
  const result = allocateWanted(request, search);
  if (typeof result === "string") return refused(allocationFailed(request, result), events);
  const given = printAddresses(result.addresses);
  return {
    status: result,
    events: [...events, normal("IPAllocated", `Assigned IP ${given}`)],
    complaint: undefined,
    last: { step: "chosen", text: `${given} of pool "${result.pool}"` },
  };
}

/** The claim, or why there is none. */
function allocateWanted(request: Request, search: Search): Claim | string {
  const { wanted, tenant } = request;
  const { allocator, broken } = search;
  if (wanted.kind === "invalid") return wanted.why;
  if (wanted.kind === "these") {
    const text = `requested loadBalancer IP(s) ${printAddresses(wanted.addresses)}`;
    if (wanted.addresses.length !== request.families.length || !familiesFit(wanted.addresses, request)) {
      return `${text} does not match the ipFamily of the service`;
    }
    const pool = poolOf(allocator, wanted.addresses);
    if (pool !== undefined && request.pool !== undefined && pool.name !== request.pool) {
      return `${text} is not compatible with requested address pool ${request.pool}`;
    }
    return reassign(request, wanted.addresses, allocator);
  }
  if (request.pool !== undefined) {
    const pool = allocator.pools.find(({ name }) => name === request.pool);
    if (pool === undefined) return `unknown pool "${request.pool}"; ${remedyForUnknown(request.pool, broken)}`;
    if (!poolAccepts(pool, request)) return notCompatible(pool.name);
    return allocateFrom([pool], request, search) ?? `no available IPs in pool "${pool.name}"`;
  }
  const pools = candidatePools(allocator.pools, request);
  if (pools.length === 0) return "no available IPs: no IPAddressPool with autoAssign is open to this Service";
  const names = pools.map(({ name }) => name).join(", ");
  return allocateFrom(pools, request, search) ?? `no available IPs: nothing free in ${names} for ${tenant.owner}`;
}

/** What the Service had before, else the first of `pools` that has what its families need. */
function allocateFrom(pools: readonly Pool[], request: Request, search: Search): Claim | undefined {
  const { allocator, reasons } = search;
  reasons.push({ step: "candidates", text: pools.map(({ name }) => `pool "${name}"`).join(", ") });
  const again = allocateRemembered(pools, request, search);
  if (again !== undefined) return again;
  for (const families of familySets(request)) {
    for (const pool of pools) {
      const grant = allocator.allocate(request.tenant, pool, families);
      if (grant.ok) return grant.claim;
      reasons.push({ step: "rejected", text: `${grant.why} for ${families.join(" and ")}` });
    }
  }
  return undefined;
}

function allocateRemembered(pools: readonly Pool[], request: Request, search: Search): Claim | undefined {
  const { allocator, remembered, reasons } = search;
  if (remembered.length === 0 || !familiesFit(remembered, request)) return undefined;
  const grant = pools.some(({ name }) => name === poolOf(allocator, remembered)?.name)
    ? allocator.assign(request.tenant, remembered)
    : ({ ok: false, why: "it is in none of these pools" } as const);
  if (grant.ok) return grant.claim;
  reasons.push({ step: "rejected", text: `${printAddresses(remembered)}, which it had before: ${grant.why}` });
  return undefined;
}

/** The sets of families that would do, best first. */
function familySets({ families, familyPolicy }: Request): readonly (readonly Family[])[] {
  if (families.length < 2) return [families];
  const both: readonly Family[] = ["ipv4", "ipv6"];
  return familyPolicy === "PreferDualStack" ? [both, [families[0]!], [families[1]!]] : [both];
}

/** Gives the Service exactly `addresses`, or says why not. */
function reassign(request: Request, addresses: readonly Address[], allocator: Allocator): Claim | string {
  const pool = poolOf(allocator, addresses);
  if (pool !== undefined && !poolAccepts(pool, request)) return notCompatible(pool.name);
  const grant = allocator.assign(request.tenant, addresses);
  return grant.ok ? grant.claim : grant.why;
}

/** One address per family of the Service; fewer will do where dual stack is only preferred. */
function familiesFit(addresses: readonly Address[], { families, familyPolicy }: Request): boolean {
  const found = new Set(addresses.map(({ family }) => family));
  const each = found.size === addresses.length && addresses.every(({ family }) => families.includes(family));
  return each && (found.size === families.length || familyPolicy === "PreferDualStack");
}

const NO_ADDRESS = { addresses: [], pool: undefined } as const;

function keeps(claim: Claim, events: readonly EventNote[], complaint: EventNote | undefined): Verdict {
  const text = `${printAddresses(claim.addresses)} of pool "${claim.pool}"`;
  return { status: claim, events, complaint, last: { step: "kept", text } };
}

function refused(complaint: EventNote, events: readonly EventNote[]): Verdict {
  return { status: NO_ADDRESS, events, complaint, last: { step: "refused", text: complaint.message } };
}

function allocationFailed(request: Request, why: string): EventNote {
  return warning("AllocationFailed", `Failed to allocate IP for "${request.key}": ${why}`);
}

function notCompatible(pool: string): string {
  return `pool "${pool}" not compatible for ip assignment: its serviceAllocation does not match the Service`;
}

function remedyForUnknown(pool: string, broken: ReadonlySet<string>): string {
  if (broken.has(pool)) return "that IPAddressPool has a mistake, see its events";
  return `create the IPAddressPool or correct the annotation ${annotationKey(ANNOTATION.addressPool)}`;
}

function describe({ families, familyPolicy, pool, wanted }: Request): string {
  const what = wanted.kind === "these" ? printAddresses(wanted.addresses) : "an address";
  return `${what} for ${families.join(" and ")} (${familyPolicy})${pool === undefined ? "" : ` of pool "${pool}"`}`;
}

function normal(reason: string, message: string): EventNote {
  return { type: "Normal", reason, message };
}

function warning(reason: string, message: string): EventNote {
  return { type: "Warning", reason, message };
}

function printTexts(texts: readonly string[]): string {
  return `[${texts.join(" ")}]`;
}

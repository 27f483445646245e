import { type Pool, resolveConfig } from "../../../config/mod.ts";
import { objectKey, type V1Service } from "../../../kube/mod.ts";
import { printAddress } from "../../../net/mod.ts";
import type { poolObjects } from "./objects.ts";

/**
 * The rules of assignment once more, as plainly as can be: every address of every pool is written out, and every Service is
 * held against every other. It says what is allowed, not what is chosen.
 */
export class Oracle {
  readonly #services: readonly V1Service[];
  readonly #ipsOf: (key: string) => readonly string[];
  readonly #pools: readonly { readonly pool: Pool; readonly addresses: readonly string[] }[];
  readonly #broken: ReadonlySet<string>;
  readonly #rests: (ip: string, key: string) => boolean;

  /** @param rests True when `ip` is free and must not go to the Service `key` yet. */
  constructor(
    services: readonly V1Service[],
    ipsOf: (key: string) => readonly string[],
    pools: ReturnType<typeof poolObjects>,
    rests: (ip: string, key: string) => boolean,
  ) {
    const config = resolveConfig({ pools, l2Advertisements: [] });
    this.#services = services;
    this.#rests = rests;
    this.#ipsOf = ipsOf;
    this.#pools = config.pools.map((pool) => ({ pool, addresses: addressesOf(pool) }));
    this.#broken = new Set(config.problems.map(({ name }) => name));
  }

  /** Why the Service must not have exactly `ips`; undefined when it may. */
  objection(service: V1Service, ips: readonly string[]): string | undefined {
    if (service.spec?.type !== "LoadBalancer") return "it asks for no address";
    const own = this.#pools.find(({ addresses }) => ips.every((ip) => addresses.includes(ip)));
    if (own === undefined) return "no pool has them all";
    if (!accepts(own.pool, service)) return `pool ${own.pool.name} is not for it`;
    const { pool, addresses } = wishesOf(service);
    if (pool !== undefined && pool !== own.pool.name) return `it asks for pool ${pool}`;
    if (addresses?.kind === "these" && !same(addresses.list, ips)) return "it asks for other addresses";
    const families = familiesOf(service);
    const found = ips.map(familyOf);
    const enough = service.spec.ipFamilyPolicy === "PreferDualStack" ? 1 : families.length;
    if (new Set(found).size !== ips.length || !found.every((each) => families.includes(each))) return "wrong families";
    if (ips.length < enough) return "too few";
    return ips.map((ip) => this.#taken(service, ip)).find((why) => why !== undefined);
  }

  /** Addresses that the Service could have; undefined when there are none for it. */
  possible(service: V1Service): readonly string[] | undefined {
    if (service.spec?.type !== "LoadBalancer") return undefined;
    const { pool, addresses } = wishesOf(service);
    if (addresses?.kind === "nonsense") return undefined;
    if (addresses !== undefined) {
      const whole = addresses.list.length === familiesOf(service).length;
      return whole && this.#free(service, addresses.list) ? addresses.list : undefined;
    }
    return this.#open(pool)
      .flatMap((each) => combinations(each.addresses))
      .find((ips) => this.#free(service, ips));
  }

  /** True when a Service that has no address could get exactly `ips` and asks for no others. */
  couldHave(service: V1Service, ips: readonly string[]): boolean {
    const { pool, addresses } = wishesOf(service);
    const open = this.#open(pool).some((each) => ips.every((ip) => each.addresses.includes(ip)));
    return addresses === undefined && open && this.#free(service, ips);
  }

  /** The pools that a Service may get addresses from that it does not name. */
  #open(pool: string | undefined) {
    return this.#pools.filter((each) => (pool === undefined ? each.pool.autoAssign : each.pool.name === pool));
  }

  #free(service: V1Service, ips: readonly string[]): boolean {
    return this.objection(service, ips) === undefined && !ips.some((ip) => this.#rests(ip, objectKey(service)));
  }

  /** True when what the Service shows comes from a pool that can't be used for a mistake. */
  isOrphan(service: V1Service): boolean {
    return this.#broken.has(service.metadata?.annotations?.["metallb.io/ip-allocated-from-pool"] ?? "");
  }

  #taken(service: V1Service, ip: string): string | undefined {
    const holders = this.#services.filter((each) => each !== service && this.#ipsOf(objectKey(each)).includes(ip));
    const rival = holders.find((each) => !mayShare(each, service));
    return rival === undefined ? undefined : `${ip} is ${objectKey(rival)}'s`;
  }
}

/** Two Services may have one address only under the conditions of section "sharing" of MetalLB's documentation. */
export function mayShare(a: V1Service, b: V1Service): boolean {
  const sharing = (of: V1Service) => of.metadata?.annotations?.["metallb.io/allow-shared-ip"] ?? "";
  const backend = (of: V1Service) =>
    of.spec?.externalTrafficPolicy === "Local" ? JSON.stringify(of.spec.selector) : "";
  const ports = (of: V1Service) => (of.spec?.ports ?? []).map(({ port }) => port);
  const collide = ports(a).some((port) => ports(b).includes(port));
  return sharing(a) !== "" && sharing(a) === sharing(b) && backend(a) === backend(b) && !collide;
}

function addressesOf(pool: Pool): readonly string[] {
  const inside = (value: bigint, { first, last }: { first: bigint; last: bigint }) => first <= value && value <= last;
  return pool.ranges.flatMap(({ family, first, last }) =>
    Array.from({ length: Number(last - first) + 1 }, (_, i) => first + BigInt(i))
      .filter((value) => !pool.holes.some((hole) => hole.family === family && inside(value, hole)))
      .map((value) => printAddress({ family, value }))
      .filter((ip) => !(pool.avoidBuggyIps && family === "ipv4" && /\.(0|255)$/.test(ip))),
  );
}

function accepts({ serviceAllocation }: Pool, { metadata }: V1Service): boolean {
  const { namespaces = [] } = serviceAllocation ?? {};
  return namespaces.length === 0 || namespaces.includes(metadata?.namespace ?? "");
}

function wishesOf({ metadata }: V1Service) {
  const { "metallb.io/address-pool": pool, "metallb.io/loadBalancerIPs": text } = metadata?.annotations ?? {};
  if (text === undefined) return { pool, addresses: undefined };
  const list = text.split(",");
  const nonsense = !list.every((each) => /^[\d.]+$|^[0-9a-f:]+$/.test(each));
  return { pool, addresses: nonsense ? ({ kind: "nonsense" } as const) : ({ kind: "these", list } as const) };
}

function familiesOf({ spec }: V1Service): readonly string[] {
  return (spec?.clusterIPs ?? []).map(familyOf);
}

function familyOf(ip: string): string {
  return ip.includes(":") ? "ipv6" : "ipv4";
}

function combinations(addresses: readonly string[]): readonly (readonly string[])[] {
  const pairs = addresses.flatMap((a) => addresses.filter((b) => familyOf(a) !== familyOf(b)).map((b) => [a, b]));
  return [...addresses.map((each) => [each]), ...pairs];
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((each) => b.includes(each));
}

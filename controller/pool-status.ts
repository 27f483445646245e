import { IP_ADDRESS_POOLS, type IPAddressPool, type Pool } from "../config/mod.ts";
import { explainError, type Log, type Runner, startRunner } from "../core/mod.ts";
import type { KubeClient, Reporter, Store } from "../kube/mod.ts";
import type { Allocator, PoolUsage } from "./allocator.ts";
import { unlessGone } from "./config-status.ts";
import type { PoolUsageWatch } from "./pool-usage.ts";

export type PoolStatus = NonNullable<IPAddressPool["status"]>;

/**
 * The counters of a pool. A range too big for a JSON number counts as the biggest whole number that has no rounding:
 * such a pool does not run out.
 */
export function poolStatus({ ipv4, ipv6 }: Pick<PoolUsage, "ipv4" | "ipv6">): PoolStatus {
  return {
    assignedIPv4: ipv4.held,
    assignedIPv6: ipv6.held,
    availableIPv4: countOf(ipv4.total - BigInt(ipv4.held)),
    availableIPv6: countOf(ipv6.total - BigInt(ipv6.held)),
  };
}

export function countOf(count: bigint): number {
  return Number(count < Number.MAX_SAFE_INTEGER ? count : Number.MAX_SAFE_INTEGER);
}

export interface PoolStatusDeps {
  readonly client: KubeClient;
  readonly pools: Store<IPAddressPool>;
  /** Undefined until there is one, and while another replica leads. */
  readonly allocator: () => Allocator | undefined;
  readonly usage: PoolUsageWatch;
  readonly reporter: Reporter;
  readonly log: Log;
}

/** Keeps the counters in the status of every pool true, also after somebody else has written them. */
export function startPoolStatus(deps: PoolStatusDeps, signal: AbortSignal): Runner {
  const { client, pools, log } = deps;
  const work = async () => {
    const allocator = deps.allocator();
    if (allocator === undefined) return;
    const usageOf = new Map(allocator.usage().map((usage) => [usage.pool, usage]));
    for (const pool of allocator.pools) {
      const usage = usageOf.get(pool.name)!;
      const object = pools.get(nameOf(pool));
      if (object === undefined) continue;
      for (const note of deps.usage.notes(pool.name, usage)) deps.reporter.event(IP_ADDRESS_POOLS, object, note);
      const status = poolStatus(usage);
      if (isShown(object, status)) continue;
      const { namespace, name } = pool;
      await unlessGone(
        client.patch(IP_ADDRESS_POOLS, { namespace, name }, { kind: "merge", body: { status } }, "status"),
      );
    }
  };
  return startRunner(
    work,
    {
      minInterval: 500, // counters change with every Service; half a second late is early enough for people
      retryInterval: 2000,
      maxInterval: 300_000,
      onError: (error) =>
        log.warn({ event: "pool.status-failed", error: explainError(error) }, "cannot write pool status"),
    },
    signal,
  );
}

function isShown({ status: shown = {} }: IPAddressPool, status: PoolStatus): boolean {
  return Object.entries(status).every(([field, value]) => shown[field as keyof PoolStatus] === value);
}

function nameOf({ namespace, name }: Pool): string {
  return namespace === "" ? name : `${namespace}/${name}`;
}

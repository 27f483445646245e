import { IP_ADDRESS_POOLS, type IPAddressPool, type Pool } from "../config/mod.ts";
import { explainError, type Log, type Runner, startRunner } from "../core/mod.ts";
import { type KubeClient, refusalStatus, type Store } from "../kube/mod.ts";
import type { Allocator, PoolUsage } from "./allocator.ts";

export type PoolStatus = NonNullable<IPAddressPool["status"]>;

/**
 * The counters of a pool. A range too big for a JSON number counts as the biggest whole number that has no rounding:
 * such a pool does not run out.
 */
export function poolStatus({ ipv4, ipv6 }: PoolUsage): PoolStatus {
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

/** Keeps the counters in the status of every pool true, also after somebody else has written them. */
export function startPoolStatus(
  deps: {
    readonly client: KubeClient;
    readonly pools: Store<IPAddressPool>;
    readonly allocator: Allocator;
    readonly log: Log;
  },
  signal: AbortSignal,
): Runner {
  const { client, pools, allocator, log } = deps;
  const work = async () => {
    const usageOf = new Map(allocator.usage().map((usage) => [usage.pool, usage]));
    for (const pool of allocator.pools) {
      const status = poolStatus(usageOf.get(pool.name)!);
      if (isShown(pools, pool, status)) continue;
      const { namespace, name } = pool;
      await ignoreGone(
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

/** True when the pool says so already, or is not there to say it. */
function isShown(pools: Store<IPAddressPool>, { namespace, name }: Pool, status: PoolStatus): boolean {
  const object = pools.get(namespace === "" ? name : `${namespace}/${name}`);
  if (object === undefined) return true;
  const shown = object.status ?? {};
  return Object.entries(status).every(([field, value]) => shown[field as keyof PoolStatus] === value);
}

/** A pool deleted since it was read needs no status. */
async function ignoreGone(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (refusalStatus(error) !== 404) throw error;
  }
}

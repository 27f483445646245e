import { setTimeout as sleep } from "node:timers/promises";
import type { Rtnetlink } from "../linux/mod.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";

/** Milliseconds between two looks, and until nobody waits any longer. */
const INTERVAL = 5;
const DEADLINE = 2000;

/**
 * Waits until packets pass the link, which is up on both its ends: a pod that starts at once must not lose its first
 * packet, which it would send again a second later. The kernel notices the carrier in its own time; Linux from 6.8 on when it
 * is asked for the link, so that one look is enough (net/core/rtnetlink.c, rtnl_getlink()).
 * @throws {CniError} TryAgainLater
 */
export async function whenOperational(kernel: Pick<Rtnetlink, "link">, name: string): Promise<void> {
  const until = performance.now() + DEADLINE;
  while (kernel.link(name)?.operational !== true) {
    if (performance.now() > until) {
      throw new CniError(
        CniErrorCode.TryAgainLater,
        `interface ${name} passes no packets ${DEADLINE} ms after it was set up`,
      );
    }
    await sleep(INTERVAL);
  }
}

import { existsSync } from "node:fs";
import type { Link } from "../linux/mod.ts";
import { BRIDGE_NAME } from "../net/mod.ts";
import { printKey } from "./attachment.ts";
import { type Lease, linkOf, UNKNOWN_NETNS } from "./lease-store.ts";

/** Milliseconds an attachment must look lost: a pod that is just being removed has its DEL to come. */
const PATIENCE = 20_000;

/** What there is on the node when it is looked for lost attachments. */
export interface LeakFacts {
  readonly leases: readonly Lease[];
  readonly links: readonly Link[];
  /** Keys of the attachments that the runtime remembers; read only when it matters. */
  readonly remembered: () => ReadonlySet<string>;
  /** Milliseconds. */
  readonly now: number;
}

/**
 * Finds attachments whose DEL never came, and were lost some time before: their interface is gone, and so is the namespace,
 * or the runtime remembers them no more. One whose interface is there is never lost, whatever the runtime remembers.
 * @param exists Stands in for the file system in tests.
 */
export function leakFinder(exists: (path: string) => boolean = existsSync) {
  let since = new Map<string, number>();
  return ({ leases, links, remembered, now }: LeakFacts): Lease[] => {
    const names = new Set(links.map(({ name }) => name));
    let known: ReadonlySet<string> | undefined;
    const isForgotten = ({ key }: Lease) => {
      known ??= remembered();
      return !known.has(printKey(key));
    };
    const isLost = (lease: Lease) => {
      if (hasUnknownLink(lease)) {
        if (lease.netns !== UNKNOWN_NETNS) return !exists(lease.netns);
        return !hasUnclaimedPort(links, leases) && isForgotten(lease);
      }
      return !names.has(linkOf(lease)) && (!exists(lease.netns) || isForgotten(lease));
    };
    const lost = leases.filter((lease) => lease.complete && isLost(lease));
    since = new Map(lost.map(({ key }) => [printKey(key), since.get(printKey(key)) ?? now]));
    return lost.filter(({ key }) => now - (since.get(printKey(key)) ?? now) >= PATIENCE);
  };
}

/** Others made its interface, and did not tell how they called it. */
function hasUnknownLink({ chained, link }: Lease): boolean {
  return chained === true && link === undefined;
}

/** A port of the bridge that may be the interface of any attachment whose own is unknown. */
function hasUnclaimedPort(links: readonly Link[], leases: readonly Lease[]): boolean {
  const bridge = links.find(({ name }) => name === BRIDGE_NAME)?.index;
  const claimed = new Set(leases.filter((lease) => !hasUnknownLink(lease)).map(linkOf));
  return links.some(({ name, master }) => master !== undefined && master === bridge && !claimed.has(name));
}

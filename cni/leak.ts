import { existsSync } from "node:fs";
import type { Link } from "../linux/mod.ts";
import { printKey } from "./attachment.ts";
import { type Lease, linkOf } from "./lease-store.ts";

/** Milliseconds an attachment must look lost: a pod that is just being removed has its DEL to come. */
const PATIENCE = 20_000;

/**
 * Finds attachments whose DEL never came: interface and namespace are both gone, and were so some time before.
 * @param exists Stands in for the file system in tests.
 */
export function leakFinder(exists: (path: string) => boolean = existsSync) {
  let since = new Map<string, number>();
  return (leases: readonly Lease[], links: readonly Link[], now: number): Lease[] => {
    const names = new Set(links.map(({ name }) => name));
    const lost = leases.filter((lease) => lease.complete && !names.has(linkOf(lease)) && !exists(lease.netns));
    since = new Map(lost.map(({ key }) => [printKey(key), since.get(printKey(key)) ?? now]));
    return lost.filter(({ key }) => now - (since.get(printKey(key)) ?? now) >= PATIENCE);
  };
}

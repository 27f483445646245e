import { readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { explainError, type Log } from "../core/mod.ts";
import { LeaseStore } from "./lease-store.ts";

/** Name of the store in the directory for what must survive. */
export const STORE_NAME = "pod-addresses.db";
/** What SQLite keeps beside a database, and what a damaged one was renamed to. */
const SUFFIXES = { journals: ["-wal", "-shm"], damaged: ".damaged" } as const;
/** Names of all files that it can have left. */
export const STORE_FILES: readonly string[] = ["", ...SUFFIXES.journals, SUFFIXES.damaged].map(
  (suffix) => STORE_NAME + suffix,
);

/** Primary result codes of SQLite for a file that is no use any more: SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGED = [11, 26];

/** Changes with every boot of the machine. */
export function readBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/**
 * Opens the store. One that is damaged is put aside: its pods are found again by what they have in the kernel, and a node
 * that can't start pods until somebody comes is worse than a node that looked twice.
 * @returns isNew when the store knows nothing of pods that may be running.
 * @throws {IronbridgeError} IB_STORE_BROKEN when it can't be opened for another reason.
 */
export function openLeaseStore(path: string, bootId: string, log: Log): { store: LeaseStore; isNew: boolean } {
  const isNew = (statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0;
  try {
    return { store: new LeaseStore(path, bootId), isNew };
  } catch (error) {
    if (!isDamage(error)) throw error;
    const aside = path + SUFFIXES.damaged;
    renameSync(path, aside);
    for (const suffix of SUFFIXES.journals) rmSync(`${path}${suffix}`, { force: true });
    log.error(
      { event: "cni.store_damaged", aside, reason: explainError(error) },
      "the store of pod addresses is damaged",
    );
    return { store: new LeaseStore(path, bootId), isNew: true };
  }
}

function isDamage(error: unknown): boolean {
  const { cause } = error instanceof Error ? error : {};
  const code = cause instanceof Error && "errcode" in cause ? Number(cause.errcode) & 0xff : 0;
  return DAMAGED.includes(code) || explainError(error).includes("it is damaged");
}

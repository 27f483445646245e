import { renameSync, rmSync, statSync } from "node:fs";
import { explainError, type Log } from "../core/mod.ts";
import { LeaseStore } from "./lease-store.ts";

/** Primary result codes of SQLite for a file that is no use any more: SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGED = [11, 26];

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
    const aside = `${path}.damaged`;
    renameSync(path, aside);
    for (const suffix of ["-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
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

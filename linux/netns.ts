import { closeSync, openSync } from "node:fs";
import { check, fileError, setNetns } from "./libc.ts";

/** An open network namespace. */
export interface Netns {
  /** Valid until close(). */
  readonly fd: number;
  readonly path: string;
  close(): void;
}

/** Opens the namespace at `path` (/run/netns/NAME or /proc/PID/ns/net). @throws {IronbridgeError} IB_KERNEL_REFUSED */
export function openNetns(path: string): Netns {
  const fd = openNamespaceFile(path);
  return { fd, path, close: () => closeSync(fd) };
}

/**
 * Runs synchronous `work` with the calling thread inside `netns`. Sockets and /proc/sys/net files opened and programs
 * started by `work` belong to that namespace for good. The thread is back in its own namespace afterwards, also when
 * `work` throws. `work` must not be the first to use Node's thread pool (asynchronous fs or dns): its threads would
 * stay in the namespace.
 */
export function runInNetns<T>(netns: Netns, work: () => T): T {
  const home = openNamespaceFile("/proc/thread-self/ns/net");
  try {
    check(setNetns(netns.fd), `enter network namespace ${netns.path}`);
    try {
      return work();
    } finally {
      check(setNetns(home), `leave network namespace ${netns.path}`);
    }
  } finally {
    closeSync(home);
  }
}

/** runInNetns(), or `work` where the thread is when there is no namespace to enter. */
export function runInOptionalNetns<T>(netns: Netns | undefined, work: () => T): T {
  return netns === undefined ? work() : runInNetns(netns, work);
}

function openNamespaceFile(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw fileError(`open network namespace ${path}`, error);
  }
}

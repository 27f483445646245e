/** An open network namespace. */
export interface Netns {
  /** Valid until close(). */
  readonly fd: number;
  readonly path: string;
  close(): void;
}

/** Opens the namespace at `path` (/run/netns/NAME or /proc/PID/ns/net). @throws {IronbridgeError} IB_KERNEL_REFUSED */
export declare function openNetns(path: string): Netns;

/**
 * Runs synchronous `work` with the calling thread inside `netns`. Sockets and /proc/sys/net files opened by `work` belong
 * to that namespace for good. The thread is back in its own namespace afterwards, also when `work` throws.
 */
export declare function runInNetns<T>(netns: Netns, work: () => T): T;

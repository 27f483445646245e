import { readdirSync } from "node:fs";
import { NETLINK_NETFILTER } from "./netlink-message.ts";
import { netlinkPort } from "./netlink-port.ts";

/**
 * Tells our own nftables transactions from those of others by the netlink port on the kernel's notice, which is the
 * port of the socket that asked. The process id in the notice is no use: it is a thread's, and counted in the machine's
 * first pid namespace, which a container does not see.
 */
export function isOwnPort(port: number): boolean {
  if (childPorts.has(port) || socketPorts.has(port)) return true;
  rememberOwnPorts(); // libnftables opens a new socket when it was interrupted by a change of others
  return socketPorts.has(port);
}

/** To be called before sockets of libnftables are closed: their last notices are read later. */
export function rememberOwnPorts(): void {
  for (const fd of readdirSync("/proc/self/fd")) {
    const port = netlinkPort(Number(fd), NETLINK_NETFILTER);
    if (port !== undefined) socketPorts.add(port);
  }
}

/** The ports that are ours, as far as is known without looking. */
export function knownPorts(): readonly number[] {
  return [...socketPorts, ...childPorts];
}

/** Ports of this process' sockets, as seen so far; the kernel gives a port of its own to every process. */
const socketPorts = new Set<number>();

/** The kernel binds the first netlink socket of a program to its process id. */
const childPorts = new Set<number>();

/** Milliseconds in which a notice about a program's last transaction arrives after its end. */
const CHILD_GRACE = 2_000;

/** Counts the transactions of a program we start as our own; call the result when it has ended. */
export function ownChild(pid: number | undefined): () => void {
  if (pid === undefined) return () => {};
  childPorts.add(pid);
  return () => void setTimeout(() => childPorts.delete(pid), CHILD_GRACE).unref();
}

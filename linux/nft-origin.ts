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
  if (!ownsSocket(port)) return false;
  socketPorts.add(port);
  return true;
}

/** Ports of this process' sockets, as seen so far. libnftables opens its own, and a new one now and then. */
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

function ownsSocket(port: number): boolean {
  return readdirSync("/proc/self/fd").some((fd) => netlinkPort(Number(fd), NETLINK_NETFILTER) === port);
}

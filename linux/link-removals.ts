import { existsSync } from "node:fs";
import { encodeFilter } from "./bpf.ts";
import { attachFilter, check } from "./libc.ts";
import { type LinkNameShape, onlyRemovals } from "./link-name-filter.ts";
import { NETLINK_ROUTE } from "./netlink-message.ts";
import { listenNetlink } from "./netlink-socket.ts";
import type { Netns } from "./netns.ts";
import { decodeLink } from "./rtnetlink-link.ts";
import { TOPICS } from "./rtnetlink-watch.ts";

/**
 * Calls `onRemoved` with the name of each link with such a name that is gone, one of this namespace. Nobody finds it any
 * more then, and no packet takes it; who asked for the removal waits some 20 ms longer, until nothing in the kernel can
 * hold on to it (net/core/dev.c, netdev_run_todo()). Reports may be lost under a flood of them.
 */
export function watchLinkRemovals(
  shapes: readonly LinkNameShape[],
  onRemoved: (name: string) => void,
  netns?: Netns,
): { close(): void } {
  return listenNetlink({
    protocol: NETLINK_ROUTE,
    groups: TOPICS.link.groups,
    ...(netns && { netns }),
    prepare: (fd) => void check(attachFilter(fd, encodeFilter(onlyRemovals(shapes))), "filter reports of links"),
    onMessages: (messages) => {
      for (const message of messages ?? []) onRemoved(decodeLink(message).name);
    },
  });
}

/** Whether this thread's namespace has the link, without waiting for who is changing links just now. */
export function linkExists(name: string): boolean {
  return existsSync(`/proc/sys/net/ipv4/conf/${name}`);
}

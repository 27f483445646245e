import { encodeFilter } from "./bpf.ts";
import { attachFilter, check } from "./libc.ts";
import { type LinkNameShape, withoutLinks } from "./link-name-filter.ts";
import { RTM_DELLINK, RTM_NEWLINK } from "./link-wire.ts";
import { NETLINK_ROUTE } from "./netlink-message.ts";
import { listenNetlink } from "./netlink-socket.ts";
import type { Netns } from "./netns.ts";
import { RTM_DELADDR, RTM_NEWADDR } from "./rtnetlink-address.ts";
import { RTM_DELNEIGH, RTM_NEWNEIGH } from "./rtnetlink-neighbour.ts";
import { RTM_DELROUTE, RTM_NEWROUTE } from "./rtnetlink-route.ts";

export interface WatchOptions {
  readonly netns?: Netns;
  /** Milliseconds between two reports at least, for who need not know at once; the first comes at once. */
  readonly rest?: number;
  /** Links that are not told of. */
  readonly ignore?: readonly LinkNameShape[];
}

export type RtnetlinkTopic = "link" | "address" | "route" | "neighbour";

/** linux/rtnetlink.h: RTNLGRP_*, and the message types of each topic (new, delete). */
export const TOPICS = {
  link: { groups: [1], types: [RTM_NEWLINK, RTM_DELLINK] },
  address: { groups: [5, 9], types: [RTM_NEWADDR, RTM_DELADDR] },
  route: { groups: [7, 11], types: [RTM_NEWROUTE, RTM_DELROUTE] },
  neighbour: { groups: [3], types: [RTM_NEWNEIGH, RTM_DELNEIGH] },
} as const satisfies Record<RtnetlinkTopic, { groups: readonly number[]; types: readonly number[] }>;

/** Octets: some dozen reports, of which one is enough. */
const RESTING_ROOM = 32 * 1024;

/**
 * Calls `onChange` after the kernel reported a change of one of `topics`, once per topic for a burst; a lost report
 * (ENOBUFS) counts as a change of every topic. Changes made by this process are reported too.
 */
export function watchRtnetlink(
  topics: readonly RtnetlinkTopic[],
  onChange: (topic: RtnetlinkTopic) => void,
  { netns, rest, ignore }: WatchOptions = {},
): { close(): void } {
  return listenNetlink({
    protocol: NETLINK_ROUTE,
    groups: topics.flatMap((topic) => TOPICS[topic].groups),
    ...(netns && { netns }),
    ...(rest !== undefined && { rest, room: RESTING_ROOM }),
    ...(ignore && {
      prepare: (fd) => void check(attachFilter(fd, encodeFilter(withoutLinks(ignore))), "filter reports of links"),
    }),
    onMessages: (messages) => {
      const seen = new Set<number>(messages?.map(({ type }) => type));
      for (const topic of topics) {
        if (messages === undefined || TOPICS[topic].types.some((type) => seen.has(type))) onChange(topic);
      }
    },
  });
}
